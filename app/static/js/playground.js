/* The playground: images from files, the clipboard, the camera or the dataset go to a model, one after the other; its
   answers and heat maps are shown and kept in a small history until the page is left. */
(() => {
  "use strict";
  const POLL_MS = 400;
  const MAX_HISTORY = 24;
  const SHOWN_BARS = 8;
  const COARSE = 9;

  document.addEventListener("DOMContentLoaded", () => {
    const root = document.getElementById("playground");
    if (!root) return;
    const project = root.dataset.projectId;
    const isSigned = root.dataset.isSigned !== undefined;
    const part = (name) => root.querySelector(`[data-${name}]`);
    const model = document.getElementById("experiment");
    const svgNamespace = document.querySelector("svg").namespaceURI;
    const history = [];
    let waiting = [];
    let running = null; /* {source, controller, isStarting} */
    let shown = null;
    let failed = null;

    /* Elements without markup from strings. */
    const make = (tag, className, text) => {
      const element = document.createElement(tag);
      if (className) element.className = className;
      if (text !== undefined) element.textContent = text;
      return element;
    };
    const makeBar = (share, colour) => {
      const svg = document.createElementNS(svgNamespace, "svg");
      svg.setAttribute("viewBox", "0 0 100 4");
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("aria-hidden", "true");
      svg.setAttribute("class", "bars__bar");
      const bar = document.createElementNS(svgNamespace, "rect");
      bar.setAttribute("class", colour);
      bar.setAttribute("width", String(Math.max(0.5, share * 100)));
      bar.setAttribute("height", "4");
      svg.append(bar);
      return svg;
    };
    const percent = (share) => (share > 0.999 && share < 1 ? "> 99.9 %" : `${(share * 100).toFixed(1)} %`);
    /* A value far from 0, like seconds since 1970, is written in full: its last digits are what differs. */
    const isLong = (value) => Math.abs(value) >= 1e4 && Math.abs(value) < 1e15;
    const number = (value) => new Intl.NumberFormat(
      "en", isLong(value) ? { maximumFractionDigits: 2 } : { maximumSignificantDigits: 5 },
    ).format(value);
    const modelName = () => model.selectedOptions[0].textContent.split(" · ")[0].trim();
    const imageUrl = (name) => `/api/datasets/${project}/images/${encodeURIComponent(name)}`;

    /* What was chosen is in the address, so that it survives a reload and can be sent to someone. */
    const writeAddress = (filename) => {
      const words = new URLSearchParams({ experiment: model.value });
      if (filename) words.set("image", filename);
      window.history.replaceState(null, "", `?${words}`);
    };

    /* Asking. */
    const ask = (source) => { waiting.push(source); next(); };
    const next = async () => {
      if (running || !waiting.length) return;
      const source = waiting.shift();
      running = { source, controller: new AbortController(), isStarting: false };
      showProblem(null);
      const stop = showBusy(running);
      try {
        const entry = await predict(source, running.controller.signal);
        if (source.entry) Object.assign(source.entry, entry); else remember(entry);
        show(source.entry || entry);
      } catch (error) {
        if (error.name !== "AbortError") showProblem({ error, source });
      } finally {
        stop();
        running = null;
        next();
      }
    };
    const readAnswer = async (answer) => {
      const content = await answer.json().catch(() => null);
      if (answer.ok && content) return content.data;
      const told = content?.error || { code: String(answer.status), message: `The server returned an error (HTTP ${answer.status}).` };
      throw Object.assign(new Error(told.message), { code: told.code, details: told.details });
    };
    const readBlob = async (source, signal) => {
      if (source.blob) return source.blob;
      const answer = await fetch(imageUrl(source.filename), { signal });
      if (!answer.ok) throw Object.assign(new Error(`The image ${source.name} is no longer in the dataset.`), { code: "NOT_FOUND" });
      return answer.blob();
    };
    const predict = async (source, signal) => {
      const blob = await readBlob(source, signal);
      const form = new FormData();
      form.append("file", blob, source.filename || source.name);
      const words = new URLSearchParams({ explain: "true" });
      if (source.target !== undefined) words.set("target", String(source.target));
      const eid = source.experiment || model.value;
      const answer = await fetch(`/api/predict/${project}/${eid}?${words}`, { method: "POST", body: form, signal });
      const prediction = await readAnswer(answer);
      const truth = source.filename && !source.entry ? await readTruth(source.filename, signal) : source.entry?.truth;
      const url = source.entry?.url || (source.filename ? imageUrl(source.filename) : URL.createObjectURL(blob));
      return {
        experiment: eid, model: source.model || modelName(), name: source.name, filename: source.filename || null,
        blob: source.filename ? null : blob, url, prediction, truth,
      };
    };
    const readTruth = async (filename, signal) => {
      try {
        const { image } = await readAnswer(await fetch(`${imageUrl(filename)}/info`, { signal }));
        const annotation = image.annotations?.[0];
        return annotation?.class_name ?? annotation?.values?.map(number).join(", ") ?? null;
      } catch (error) {
        if (error.name === "AbortError") throw error;
        return null;
      }
    };

    /* Waiting: a model takes a moment to load, and then answers at once. */
    const showBusy = (job) => {
      const box = part("busy");
      const label = box.querySelector(".progress__label");
      const text = box.querySelector("[data-progress-text]");
      const started = performance.now();
      const eid = job.source.experiment || model.value;
      box.hidden = false;
      root.setAttribute("aria-busy", "true");
      label.textContent = `Predicting ${job.source.name} with ${job.source.model || modelName()}`;
      text.textContent = "";
      const look = async () => {
        if (running !== job) return;
        try {
          const state = await readAnswer(await fetch(`/api/predict/${project}/${eid}`, { cache: "no-store" }));
          if (running !== job) return;
          job.isStarting = state.status === "starting";
          const rest = waiting.length ? `, ${waiting.length} more queued` : "";
          const seconds = Math.round((performance.now() - started) / 1000);
          text.textContent = (state.status === "ready" ? "Predicting…" : `Loading the model, ${seconds} s`) + rest;
        } catch { /* the answer itself will say what is wrong */ }
        timer = setTimeout(look, POLL_MS);
      };
      let timer = setTimeout(look, POLL_MS);
      return () => { clearTimeout(timer); box.hidden = true; root.removeAttribute("aria-busy"); };
    };
    const cancel = () => {
      if (!running) return;
      waiting = [];
      /* A model that is still loading is not wanted any more. */
      if (running.isStarting) fetch(`/api/predict/${project}/${running.source.experiment || model.value}`, { method: "DELETE" }).catch(() => {});
      running.controller.abort();
      Studio.toast({ text: "Cancelled.", kind: "info" });
    };
    const FIXES = {
      VALIDATION_ERROR: "", /* the message says it */
      PAYLOAD_TOO_LARGE: "Choose a smaller file, or raise AI_STUDIO_MAX_UPLOAD_SIZE.",
      CHECKPOINT_NOT_FOUND: "Choose another model, or train this one again.",
      EXPERIMENT_NOT_FOUND: "It was deleted. Reload the page and choose another model.",
      CONFLICT: "Choose another model, or try again in a moment.",
      INTERNAL_ERROR: "Try again. The model will be loaded again.",
      NOT_FOUND: "Choose another image.",
    };
    const showProblem = (problem) => {
      failed = problem?.source || null;
      part("problem").hidden = !problem;
      if (!problem) return;
      const { error, source } = problem;
      const isAway = error instanceof TypeError;
      part("problem-text").textContent = isAway ? "The server is not responding." : `${source.name}: ${error.message}`;
      part("problem-fix").textContent = isAway ? "Try again when the server is back." : FIXES[error.code] ?? "Try again.";
      if (isAway) Studio.connection.lost();
    };

    /* Showing. */
    const show = (entry) => {
      shown = entry;
      const { prediction } = entry;
      part("idle").hidden = true;
      part("result").hidden = false;
      const photo = part("photo");
      part("unseen").hidden = true;
      photo.hidden = false;
      photo.width = prediction.width;
      photo.height = prediction.height;
      photo.alt = entry.name;
      photo.src = entry.url;
      part("caption").textContent = `${entry.name}, ${prediction.width} × ${prediction.height} pixels`;
      part("model").textContent = entry.model;
      part("timing").textContent = `Predicted in ${prediction.duration_ms.toFixed(0)} ms with ${prediction.runtime}.`;
      showHeat(prediction);
      showAnswer(entry);
      writeAddress(entry.filename);
      markHistory();
    };
    const showHeat = (prediction) => {
      const { heat_map: heat, heat_map_reason: reason } = prediction;
      const image = part("heat");
      const canShow = Boolean(heat) && !heat.is_empty;
      image.hidden = !canShow;
      part("heat-controls").hidden = !canShow;
      if (canShow) image.src = `data:image/png;base64,${heat.png_base64}`; else image.removeAttribute("src");
      const isOnly = isSigned && readRows(prediction).length === 0;
      const about = heat?.label ? `for ${heat.label}` : isOnly ? "the value" : `value ${(heat?.target ?? 0) + 1}`;
      let text = reason || "";
      if (heat?.is_empty) text = `No image area influences ${isSigned ? about : `the score ${about}`}.`;
      else if (heat) text = isSigned ? `Brighter areas raise or lower ${about} more.` : `Brighter areas are stronger evidence ${about}. Click another class to see its evidence.`;
      const isCoarse = canShow && heat.columns * heat.rows <= COARSE;
      part("heat-text").textContent = isCoarse ? `${text} The map has only ${heat.columns} × ${heat.rows} cells. Train with a larger image size for a finer map.` : text;
    };
    const readRows = ({ predictions, heat_map: heat }) => {
      if (predictions.probabilities) {
        return Object.entries(predictions.probabilities)
          .map(([name, share], index) => ({ name, share, text: percent(share), target: index, isExplained: heat?.target === index }))
          .sort((a, b) => b.share - a.share);
      }
      const values = Array.isArray(predictions.prediction) ? predictions.prediction : [];
      if (values.length < 2) return [];
      return values.map((value, index) => ({
        name: `Value ${index + 1}`, share: null, text: number(value), target: index, isExplained: heat?.target === index,
      }));
    };
    const showAnswer = (entry) => {
      const { predictions } = entry.prediction;
      part("top").textContent = describeTop(predictions);
      const truth = part("truth");
      truth.textContent = entry.truth ? `${isSigned ? "True value" : "True class"}: ${entry.truth}.` : "";
      const isWrong = entry.truth && predictions.prediction?.class_name && predictions.prediction.class_name !== entry.truth;
      truth.classList.toggle("is-wrong", Boolean(isWrong));
      showBars(entry, false);
    };
    const describeTop = ({ prediction }) => {
      if (prediction?.class_name !== undefined) return `${prediction.class_name}, ${percent(prediction.confidence)}`;
      if (Array.isArray(prediction)) return prediction.map(number).join(", ");
      return JSON.stringify(prediction);
    };
    const showBars = (entry, isAll) => {
      const rows = readRows(entry.prediction);
      const visible = isAll ? rows : rows.filter((row, index) => index < SHOWN_BARS || row.isExplained);
      part("bars").replaceChildren(...visible.map((row) => makeRow(entry, row)));
      const more = part("more");
      more.hidden = visible.length === rows.length;
      more.textContent = `Show all ${rows.length}`;
    };
    const makeRow = (entry, row) => {
      const item = make("li");
      const button = make("button", "bars__row");
      button.type = "button";
      button.dataset.target = String(row.target);
      button.setAttribute("aria-pressed", String(row.isExplained));
      button.title = `Show what ${isSigned ? "influences" : "is evidence for"} ${row.name}`;
      button.append(make("span", "bars__name", row.name), make("span", "bars__value", row.text));
      if (row.share !== null) button.append(makeBar(row.share, row.isExplained ? "fill-1" : "fill-8"));
      button.addEventListener("click", () => explain(entry, row.target));
      item.append(button);
      return item;
    };
    const explain = async (entry, target) => {
      await ask({
        name: entry.name, filename: entry.filename, blob: entry.blob, experiment: entry.experiment, model: entry.model, target, entry,
      });
    };

    /* History. */
    const remember = (entry) => {
      history.unshift(entry);
      for (const old of history.splice(MAX_HISTORY)) if (old.blob && !history.some((item) => item.url === old.url)) URL.revokeObjectURL(old.url);
      const list = part("history");
      list.replaceChildren(...history.map(makeHistoryItem));
      part("history-empty").hidden = history.length > 0;
    };
    const makeHistoryItem = (entry) => {
      const item = make("li");
      const button = make("button", "history__item");
      button.type = "button";
      const image = make("img");
      image.src = entry.url;
      image.alt = "";
      image.loading = "lazy";
      const text = make("span", "history__text");
      text.append(make("strong", "", describeTop(entry.prediction.predictions)), make("span", "muted", `${entry.name} · ${entry.model}`));
      button.append(image, text);
      button.addEventListener("click", () => { showProblem(null); show(entry); });
      item.append(button);
      return item;
    };
    const markHistory = () => {
      [...part("history").children].forEach((item, index) => {
        item.firstChild.setAttribute("aria-pressed", String(history[index] === shown));
      });
    };

    /* Where images come from. */
    const askFiles = (files) => { for (const file of files) ask({ blob: file, name: file.name || "Pasted image" }); };
    part("files").addEventListener("change", (event) => { askFiles(event.target.files); event.target.value = ""; });
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files || [])].filter((file) => file.type.startsWith("image/"));
      if (files.length) { event.preventDefault(); askFiles(files); }
    });
    document.getElementById("pick-image").addEventListener("click", (event) => {
      const tile = event.target.closest("[data-filename]");
      if (!tile || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      tile.closest("dialog").close();
      ask({ filename: tile.dataset.filename, name: tile.dataset.name });
    });
    model.addEventListener("change", () => {
      writeAddress(shown?.filename);
      if (shown) ask({ name: shown.name, filename: shown.filename, blob: shown.blob });
    });
    if (root.dataset.image) ask({ filename: root.dataset.image, name: root.dataset.name });

    /* The camera: on after a press only, off again with the page. */
    let stream = null;
    const CAMERA_PROBLEMS = {
      NotAllowedError: "Camera access was denied. Allow it in the browser's address bar, then try again.",
      NotFoundError: "No camera was found. Connect one, or drop an image instead.",
      NotReadableError: "The camera is in use by another program. Close that program, then try again.",
    };
    const sayCamera = (text) => { const box = part("camera-problem"); box.textContent = text; box.hidden = !text; };
    const openCamera = async () => {
      sayCamera("");
      if (!navigator.mediaDevices?.getUserMedia) {
        sayCamera("Browsers allow the camera only on localhost or over HTTPS. Drop an image instead.");
        return;
      }
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      } catch (error) {
        sayCamera(CAMERA_PROBLEMS[error.name] || `The camera cannot be used: ${error.message}`);
        return;
      }
      part("camera-video").srcObject = stream;
      part("camera").hidden = false;
      part("camera-take").focus();
    };
    const closeCamera = () => {
      for (const track of stream?.getTracks() || []) track.stop();
      stream = null;
      part("camera-video").srcObject = null;
      part("camera").hidden = true;
    };
    const takePicture = () => {
      const video = part("camera-video");
      if (!video.videoWidth) { sayCamera("The camera is still starting. Try again in a second."); return; }
      sayCamera("");
      const canvas = make("canvas");
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      canvas.getContext("2d").drawImage(video, 0, 0);
      const time = new Date().toTimeString().slice(0, 8);
      canvas.toBlob((blob) => ask({ blob, name: `Camera ${time}` }), "image/jpeg", 0.95);
    };
    part("camera-open").addEventListener("click", () => { if (!stream) openCamera(); });
    part("camera-close").addEventListener("click", () => { closeCamera(); part("camera-open").focus(); });
    part("camera-take").addEventListener("click", takePicture);
    window.addEventListener("pagehide", closeCamera);

    /* Small things. */
    const setOpacity = (input) => { part("heat").style.opacity = String(input.value / 100); };
    part("opacity").addEventListener("input", (event) => setOpacity(event.target));
    setOpacity(part("opacity"));
    part("photo").addEventListener("error", () => {
      if (shown?.filename && !part("photo").src.includes("/thumbnails/")) {
        part("photo").src = `/api/datasets/${project}/thumbnails/${encodeURIComponent(shown.filename)}`;
        return;
      }
      part("photo").hidden = true;
      part("unseen").hidden = false;
    });
    part("more").addEventListener("click", () => showBars(shown, true));
    part("retry").addEventListener("click", () => { if (failed) ask(failed); });
    part("cancel").addEventListener("click", cancel);
  });
})();
