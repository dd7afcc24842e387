/* What the charts of the pages need of Chart.js; `make vendor` bundles it into app/static/js/vendor/. */
import {
  BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, LineController, LineElement,
  PointElement, ScatterController, Tooltip,
} from "chart.js";

Chart.register(
  BarController, BarElement, CategoryScale, Legend, LinearScale, LineController, LineElement,
  PointElement, ScatterController, Tooltip,
);
globalThis.Chart = Chart;
