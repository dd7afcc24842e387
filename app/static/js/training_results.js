/* The results column of the training page: follows a run in place and swaps the fragment only when its status changes.
   The fragment says which event it was rendered at (data-seq); only what came later is added, so that a page opened
   late, reloaded or left asleep shows the same. Epochs are keyed by their number. */
(() => {
  "use strict";
  const KEEP_MS = 60000; /* a swap may come from before an event that was shown already; such events are shown again */
  const QUEUE_LOOK_MS = 20000; /* jobs of other projects come and go without an event in this one */
  const BESIDE_MS = 8000;
  const BEST = "best epoch";
  const PHASES = { init: "Preparing", fit: "Training", eval: "Validating", finalize: "Finishing" };
  const TYPES = [
    "TRAIN_PROGRESS", "RESOURCE_STATS", "JOB_PROGRESS", "EPOCH_FINISHED", "CHECKPOINT_SAVED", "RUN_ASKED", "EXPERIMENT_STATUS",
    "RUN_CONFIG_RESOLVED", "RUN_RECOVERED", "SAMPLES_SKIPPED", "JOB_STATUS", "QUEUE_CHANGED", "LOG_LINE",
    "RECORD_CHANGED",
  ];
  let recent = [];
  let besideTimer = null;
  let wasGone = false;
  let kept = null;

  const findRoot = () => document.getElementById("training-results");
  const find = (selector) => findRoot()?.querySelector(selector);
  const setText = (key, text) => {
    const element = find(`[data-live="${key}"]`);
    if (element && element.textContent !== text) element.textContent = text;
  };
  const setBar = (key, value, maximum) => {
    const bar = find(`[data-live-bar="${key}"]`);
    if (bar) { bar.max = maximum; bar.value = value; }
  };
  const showDuration = (duration_s) => {
    if (duration_s < 120) return `${Math.round(duration_s)} s`;
    const minutes = Math.round(duration_s / 60);
    return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  };
  const showSize = (size_mb) => {
    if (size_mb < 0.05) return "not measured";
    if (size_mb >= 1024) return `${(size_mb / 1024).toFixed(1)} GiB`;
    return size_mb < 10 ? `${size_mb.toFixed(1)} MiB` : `${Math.round(size_mb)} MiB`;
  };
  const count = (number) => number.toLocaleString("en");

  /* Curves. */
  const chartKeys = () => JSON.parse(find("#run-charts")?.dataset.keys || "{}");
  const chosenMetric = () => {
    const select = find("[data-metric-choice]");
    if (!select) return "";
    const wanted = new URL(location.href).searchParams.get("metric");
    return [...select.options].some((option) => option.value === wanted) ? wanted : select.dataset.primary;
  };
  /* The first of the best epochs; checkpoints follow a little later. */
  const findBest = () => {
    const { monitored, direction } = findRoot().dataset;
    let best = null;
    for (const [id, keys] of Object.entries(chartKeys())) {
      const series = Studio.charts.get(id)?.spec.series.find((item) => keys[item.name] === monitored);
      for (const [x, y] of series?.points || []) {
        if (y !== null && (!best || (direction === "max" ? y > best[1] : y < best[1]))) best = [x, y];
      }
    }
    if (best) findRoot().dataset.bestEpoch = best[0];
  };
  /* The mark of the best epoch stands on the first line that is shown and has a value there. */
  const markBest = (spec, isShown) => {
    const best = Number(findRoot().dataset.bestEpoch);
    const line = [...spec.series].reverse().filter((series) => series.name !== BEST && isShown(series))
      .map((series) => series.points.find(([x]) => x === best))
      .filter((point) => point && point[1] !== null);
    const mark = spec.series.find((series) => series.name === BEST);
    if (mark) mark.points = best && line.length ? [line.at(spec.id === "run-loss" ? 0 : -1)] : [];
  };
  const redraw = () => {
    if (findRoot().dataset.status === "training") findBest();
    const chosen = chosenMetric();
    for (const [id, keys] of Object.entries(chartKeys())) {
      const chart = Studio.charts.get(id);
      if (!chart) continue;
      const isShown = (series) => id !== "run-metric" || chosen === "all" || keys[series.name] === chosen;
      markBest(chart.spec, isShown);
      chart.replace(chart.spec);
      chart.chart.data.datasets.forEach((item, index) => {
        chart.chart.setDatasetVisibility(index, item.label === BEST || isShown(chart.spec.series[index]));
      });
      const { labels } = chart.chart.options.plugins.legend;
      labels.filter = (item) => item.text === BEST || isShown(chart.spec.series[item.datasetIndex]);
      chart.chart.update("none");
    }
  };
  /* The same epoch again replaces the earlier one and all after it, as in metrics.json. */
  const addEpoch = (metrics) => {
    for (const [id, keys] of Object.entries(chartKeys())) {
      const spec = Studio.charts.get(id)?.spec;
      if (!spec) continue;
      for (const series of spec.series) {
        if (series.name === BEST) continue;
        const points = series.points.filter(([x]) => x < metrics.epoch);
        points.push([metrics.epoch, metrics[keys[series.name]] ?? null]);
        series.points = points;
      }
    }
  };
  const announceEpoch = (metrics) => {
    const select = find("[data-metric-choice]");
    const title = select && [...select.options].find((option) => option.value === select.dataset.primary)?.textContent;
    const value = select && metrics[select.dataset.primary];
    const figure = typeof value === "number" ? `, ${title} ${Studio.charts.showMetric(value)}` : "";
    const region = find("#run-announce");
    if (region) region.textContent = `Epoch ${metrics.epoch} finished${figure}.`;
  };

  /* Buttons that were pressed say so at once, here and in every other tab. */
  const disable = (action, text) => {
    const button = action.querySelector("button");
    button.setAttribute("aria-disabled", "true");
    action.querySelector(".reason").textContent = text;
  };
  const restore = (action) => {
    action.querySelector("button").removeAttribute("aria-disabled");
    action.querySelector(".reason").textContent = action.dataset.help;
  };
  /* With the first best checkpoint, cancelling loses less than the button and its dialog have said. */
  const sayLater = (action) => {
    const button = action.querySelector("button");
    action.dataset.help = action.dataset.laterHelp;
    button.setAttribute("hx-confirm", action.dataset.laterConfirm);
    delete action.dataset.laterHelp;
    if (button.getAttribute("aria-disabled") !== "true") restore(action);
  };
  const ASKED_FOR = { /* as in results.py */
    pause: ["It pauses after this batch.", "The run is pausing. Stop it when it is paused."],
    stop_keep: ["It stops after this batch.", "The run is stopping."],
    cancel: ["It ends after this batch.", "The run is being cancelled."],
  };
  const showAsked = (command) => {
    for (const action of findRoot().querySelectorAll("[data-action]")) {
      const isIt = action.dataset.action === command;
      if (isIt) action.querySelector("[data-label]").textContent = action.dataset.askedLabel;
      const isWeaker = ["pause", "stop_keep"].includes(action.dataset.action);
      if (isIt || isWeaker) disable(action, ASKED_FOR[command][isIt ? 0 : 1]);
      delete action.dataset.waitsForCheckpoint;
    }
  };

  /* What the server renders anew. */
  const refresh = (selector, event) => {
    const element = selector ? document.querySelector(selector) : findRoot();
    if (element) htmx.trigger(element, event);
  };
  const refreshAll = () => {
    const dialog = find("dialog[open]");
    if (dialog) dialog.addEventListener("close", () => refresh("", "results-refresh"), { once: true });
    else refresh("", "results-refresh");
  };

  const APPLY = {
    TRAIN_PROGRESS: ({ epoch, epochs, step, steps, eta_s: eta, phase }) => {
      setText("phase", PHASES[phase]);
      setText("epoch", `${epoch} of ${epochs}`);
      setText("step", steps ? `step ${count(step)} of ${count(steps)}` : "");
      setText("eta", eta === null ? "estimating…" : showDuration(eta));
      setBar("all", (epoch - 1) * Math.max(steps, 1) + step, epochs * Math.max(steps, 1));
    },
    RESOURCE_STATS: (stats) => {
      setText("cpu", `${Math.round(stats.cpu_pct)} %`);
      setText("ram", showSize(stats.ram_mb));
      if (stats.gpu_pct !== null) setText("gpu", `${Math.round(stats.gpu_pct)} %`);
      if (stats.vram_mb !== null) setText("vram", showSize(stats.vram_mb));
      setText("rate", stats.step_per_sec >= 0.1 ? `${Number(stats.step_per_sec.toPrecision(3))} steps/s` : "below 0.1 steps/s");
    },
    JOB_PROGRESS: ({ done, total, message }) => {
      const box = find("[data-live-beside]");
      if (!box) return;
      setText("beside", message);
      setBar("beside", done, Math.max(total, 1));
      box.hidden = done >= total;
      clearTimeout(besideTimer);
      besideTimer = setTimeout(() => { if (find('[data-live="phase"]')?.textContent === PHASES.fit) box.hidden = true; }, BESIDE_MS);
    },
    EPOCH_FINISHED: ({ metrics }) => {
      const box = find("[data-live-beside]");
      if (box) box.hidden = true;
      addEpoch(metrics);
      announceEpoch(metrics);
      Studio.runLog.follow();
      return redraw;
    },
    CHECKPOINT_SAVED: ({ name }) => {
      if (name !== "best") return;
      const waiting = find("[data-waits-for-checkpoint]");
      if (waiting) { delete waiting.dataset.waitsForCheckpoint; restore(waiting); }
      for (const action of findRoot().querySelectorAll("[data-later-help]")) sayLater(action);
    },
    RUN_ASKED: ({ command }) => showAsked(command),
    EXPERIMENT_STATUS: () => refreshAll,
    RUN_CONFIG_RESOLVED: () => refreshNotes,
    RUN_RECOVERED: () => refreshNotes,
    SAMPLES_SKIPPED: () => refreshNotes,
    QUEUE_CHANGED: () => refreshQueue,
    JOB_STATUS: () => refreshQueue,
    LOG_LINE: () => Studio.runLog.follow,
    RECORD_CHANGED: () => (SETTABLE.includes(findRoot().dataset.status) ? refreshAll : refreshTitle),
  };
  /* Where settings can be changed, they decide what is shown and whether the run can be resumed. */
  const SETTABLE = ["created", "paused", "failed", "interrupted", "cancelled"];
  const refreshNotes = () => refresh("#run-notes", "notes-refresh");
  const refreshQueue = () => refresh("#run-queue", "queue-refresh");
  const refreshTitle = () => refresh("#run-title", "title-refresh");
  const isOurs = (line, data) => {
    if (line.seq <= Number(data.seq)) return false;
    if (line.type === "QUEUE_CHANGED") return true;
    if (line.type === "JOB_STATUS") return line.payload.kind === "train" && line.payload.job_id !== data.job;
    if (line.type === "RECORD_CHANGED") return line.payload.id === data.experiment && line.payload.change === "changed";
    if (line.type === "EXPERIMENT_STATUS") return line.payload.experiment_id === data.experiment;
    if (line.type === "JOB_PROGRESS") return line.payload.job_id === data.job;
    return (line.payload.run_id || line.run_id) === data.run;
  };
  /* Applies lines in their order; what several of them want in the end is done once. */
  const apply = (lines) => {
    const root = findRoot();
    if (!root) return;
    const wishes = new Set();
    for (const line of lines) {
      if (!isOurs(line, root.dataset)) continue;
      const wish = APPLY[line.type](line.payload);
      if (wish) wishes.add(wish);
    }
    if (wishes.has(refreshAll)) for (const part of [refreshNotes, refreshQueue, refreshTitle]) wishes.delete(part);
    for (const wish of wishes) wish();
  };
  const take = (event) => {
    const now = performance.now();
    const { events } = event.detail;
    recent = recent.filter(({ at }) => now - at < KEEP_MS);
    for (const line of events) recent.push({ at: now, line });
    apply(events);
  };

  /* A swap keeps what a person had opened, where the focus was, and the log that was read. */
  const summaryOf = (element) => element.querySelector("summary").textContent.replace(/\d+/g, "");
  const remember = (root) => {
    const active = document.activeElement;
    kept = {
      run: root.dataset.run,
      opened: [...root.querySelectorAll("details")].map((element) => [summaryOf(element), element.open]),
      hadFocus: root.contains(active) ? active.id || "run-title" : "",
      log: Studio.runLog.remember(),
    };
  };
  const takeBack = (root) => {
    if (!kept) return;
    const { run, opened, hadFocus, log } = kept;
    kept = null;
    for (const element of root.querySelectorAll("details")) {
      const before = opened.find(([summary]) => summary === summaryOf(element));
      if (before) element.open = before[1];
    }
    Studio.runLog.takeBack(run === root.dataset.run ? log : null);
    if (hadFocus && !root.contains(document.activeElement)) (document.getElementById(hadFocus) || root.querySelector("#run-title")).focus({ preventScroll: true });
  };
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id === "training-results" && event.detail.shouldSwap) remember(event.detail.target);
  });
  document.addEventListener("htmx:load", (event) => {
    const root = event.detail.elt.id === "training-results" ? event.detail.elt : event.detail.elt.querySelector?.("#training-results");
    if (root) begin(root);
  });
  const begin = (root) => {
    takeBack(root);
    const select = root.querySelector("[data-metric-choice]");
    if (select) select.value = chosenMetric();
    redraw();
    apply(recent.map(({ line }) => line));
    Studio.runLog.read();
    readEpochs(root);
  };
  /* A long curve is not in the page; what came since is added once more, by its number. */
  const readEpochs = async (root) => {
    const address = root.querySelector("#run-charts")?.dataset.metrics;
    if (!address) return;
    try {
      const answer = await fetch(address, { headers: { Accept: "application/json" } });
      if (!answer.ok || !root.isConnected) return;
      for (const metrics of (await answer.json()).data.epochs) addEpoch(metrics);
    } catch { return; } /* the banner says that the server is gone; when it is back all is read anew */
    const later = recent.map(({ line }) => line).filter((line) => line.type === "EPOCH_FINISHED" && isOurs(line, root.dataset));
    for (const line of later) addEpoch(line.payload.metrics);
    redraw();
  };

  for (const type of TYPES) document.body.addEventListener(`live:${type}`, take);
  document.body.addEventListener("server:gone", () => { wasGone = true; });
  document.body.addEventListener("live:caught-up", () => {
    if (wasGone) { wasGone = false; refreshAll(); }
    Studio.runLog.read();
  });
  setInterval(() => {
    const elapsed = find('[data-live="elapsed"]');
    if (!elapsed) return;
    elapsed.dataset.since ??= performance.now() - 1000 * Number(elapsed.dataset.elapsedS);
    setText("elapsed", showDuration((performance.now() - Number(elapsed.dataset.since)) / 1000));
  }, 1000);
  setInterval(() => {
    const queue = find("#run-queue");
    const isBusy = !queue || queue.matches(":hover") || queue.contains(document.activeElement);
    if (findRoot()?.dataset.status === "pending" && !isBusy && !document.hidden && !Studio.live.isGone()) refreshQueue();
  }, QUEUE_LOOK_MS);

  document.addEventListener("change", (event) => {
    if (!event.target.matches?.("[data-metric-choice]")) return;
    const address = new URL(location.href);
    address.searchParams.set("metric", event.target.value);
    history.replaceState(history.state, "", address);
    redraw();
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const action = event.detail.elt.closest?.("#training-results [data-action]");
    const label = action?.querySelector("[data-label]");
    if (!label || !action.dataset.askedLabel) return;
    action.dataset.label = label.textContent;
    label.textContent = action.dataset.askedLabel;
    action.querySelector("button").setAttribute("aria-disabled", "true");
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const action = event.detail.elt.closest?.("#training-results [data-action]");
    if (!action?.dataset.label || event.detail.successful) return;
    action.querySelector("[data-label]").textContent = action.dataset.label;
    restore(action);
  });
})();
