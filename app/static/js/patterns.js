/* The island of /_patterns: shows how one is written. View state in Alpine, the rest by attributes. */
(() => {
  "use strict";
  document.addEventListener("alpine:init", () => {
    Alpine.data("patternCounter", () => ({
      count: 0,
      add() { this.count += 1; },
      get text() { return `Pressed ${this.count} times`; },
    }));
  });
  document.addEventListener("click", (event) => {
    const toast = event.target.closest("[data-pattern-toast]");
    if (toast) Studio.toast({ text: "This is what it says.", kind: toast.dataset.patternToast });
    if (event.target.closest("[data-pattern-point]")) Studio.charts.get("line").append("train", 21, 0.5);
  });
})();
