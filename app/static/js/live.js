/* One event stream per page, from the number that the page was rendered at. Events become DOM events on <body>:
   `live:TYPE` with {events: [lines]} for islands, `live:topic` for hx-trigger. Bursts are gathered for 250 ms. */
(() => {
  "use strict";
  const GATHER_MS = 250;
  const HIDDEN_MS = 30000; /* browsers allow six connections per host: a page that nobody sees gives its own back */
  const RETRY_MS = 3000;
  const PULSE_MS = 2000; /* a run tells something several times a second; parts that are fetched follow at this pace */
  /* Every type of the log and the topic that it belongs to; a test compares the names with the classes. */
  const TOPIC_OF = {
    STAGE_STATUS: "stages", WAITING_CONFIRMATION: "stages", PLAN_PROPOSED: "stages", PLAN_APPROVED: "stages",
    FILE_TREE_UPDATE: "files", ARTIFACT_ADDED: "artifacts", PROMPT_PARSED: "stages", CODE_WORKSPACE_READY: "files",
    EDIT_SUGGESTIONS: "files", NOTEBOOK_READY: "files", REPORT_READY: "files",
    DATASET_CANDIDATES: "dataset", DATASET_SELECTED: "dataset", DATASET_SAMPLE_READY: "dataset",
    PROFILE_PROGRESS: "dataset", PROFILE_SUMMARY: "dataset", MISSINGNESS_TABLE_READY: "dataset",
    TARGET_DISTRIBUTION_READY: "dataset", PREPROCESS_PLAN: "dataset", SPLIT_SUMMARY: "splits",
    MODEL_CANDIDATES: "experiments", MODEL_SELECTED: "experiments", EXPERIMENT_STATUS: "experiments",
    TRAIN_RUN_STARTED: "experiments", TRAIN_RUN_FINISHED: "experiments", LEADERBOARD_UPDATED: "experiments",
    BEST_MODEL_UPDATED: "experiments", CHECKPOINT_SAVED: "experiments", RUN_CONFIG_RESOLVED: "experiments",
    RUN_RECOVERED: "experiments", RUN_ASKED: "run", QUEUE_CHANGED: "jobs", SAMPLES_SKIPPED: "experiments", FEATURE_IMPORTANCE_READY: "experiments",
    TRAIN_PROGRESS: "run", METRIC_SCALAR: "run", RESOURCE_STATS: "run", LOG_LINE: "run", EPOCH_FINISHED: "run",
    EVALUATION_PROGRESS: "evaluations", CONFUSION_MATRIX_READY: "evaluations", ROC_CURVE_READY: "evaluations",
    RESIDUALS_PLOT_READY: "evaluations", EXPORT_PROGRESS: "exports", EXPORT_READY: "exports",
    RECORD_CHANGED: "records", JOB_STATUS: "jobs", JOB_PROGRESS: "jobs", JOB_RESULT: "jobs",
  };
  const TOPIC_OF_NOUN = {
    project: "project", dataset: "dataset", split: "splits", experiment: "experiments", evaluation: "evaluations",
    export: "exports",
  };
  const STATE_TEXT = {
    connecting: "Connecting…", live: "Live", reconnecting: "Reconnecting…", asleep: "Updates paused", gone: "Project deleted",
  };
  const project = document.body.dataset.projectId;
  if (!project) return;
  let lastSeq = Number(document.body.dataset.seq);
  let source = null;
  let gathered = [];
  let timer = null;
  let pulse = null;
  let hiddenTimer = null;
  let retryTimer = null;
  let lostTimer = null;
  let isGone = false;

  const setState = (state) => {
    for (const element of document.querySelectorAll("[data-live-state]")) {
      if (element.dataset.state === state) continue;
      element.dataset.state = state;
      element.textContent = STATE_TEXT[state];
    }
  };
  const dispatch = (name, detail) => document.body.dispatchEvent(new CustomEvent(`live:${name}`, { detail }));
  const flush = () => {
    timer = null;
    const lines = gathered;
    gathered = [];
    const byType = new Map();
    const topics = new Set();
    for (const line of lines) {
      if (!byType.has(line.type)) byType.set(line.type, []);
      byType.get(line.type).push(line);
      topics.add(TOPIC_OF[line.type]);
      if (line.type === "JOB_STATUS") topics.add(`job-${line.payload.kind}`);
      if (line.type === "RECORD_CHANGED") topics.add(TOPIC_OF_NOUN[line.payload.noun]);
    }
    for (const [type, events] of byType) dispatch(type, { events });
    const topicOf = (line) => line.type === "RECORD_CHANGED" ? TOPIC_OF_NOUN[line.payload.noun] : TOPIC_OF[line.type];
    for (const topic of topics) dispatch(topic, { events: lines.filter((line) => topicOf(line) === topic) });
    if (topics.has("run")) pulse ??= setTimeout(() => { pulse = null; dispatch("pulse", {}); }, PULSE_MS);
  };
  const take = (event) => {
    lastSeq = Number(event.lastEventId) || lastSeq;
    gathered.push(JSON.parse(event.data));
    timer ??= setTimeout(flush, GATHER_MS);
  };

  const close = () => { source?.close(); source = null; clearTimeout(retryTimer); clearTimeout(lostTimer); lostTimer = null; };
  /* Deleted: nobody asks again, whatever the connection or the tab does from now on. */
  const end = () => {
    isGone = true;
    close();
    clearTimeout(hiddenTimer);
    setState("gone");
    document.getElementById("project-gone").hidden = false;
    dispatch("gone", {});
  };
  /* The session is over: the page that asks for the token comes instead. */
  const leave = () => { isGone = true; close(); location.reload(); };
  const open = () => {
    if (isGone) return;
    close();
    setState("connecting");
    source = new EventSource(`/api/projects/${project}/events?after=${lastSeq}`);
    for (const type of Object.keys(TOPIC_OF)) source.addEventListener(type, take);
    source.addEventListener("open", () => { clearTimeout(lostTimer); lostTimer = null; Studio.connection.restored(); });
    source.addEventListener("caught-up", (event) => {
      lastSeq = Number(event.lastEventId) || lastSeq;
      setState("live");
      dispatch("caught-up", { seq: lastSeq });
    });
    /* Too slow: the server ends the stream, the browser comes back by itself with the last id that it saw. */
    source.addEventListener("resync", () => setState("reconnecting"));
    source.addEventListener("gone", end);
    source.addEventListener("signed-out", leave);
    source.addEventListener("error", fail);
  };
  const fail = () => {
    setState("reconnecting");
    if (source.readyState === EventSource.CLOSED) {
      check();
      return;
    }
    lostTimer ??= setTimeout(() => { lostTimer = null; if (source && source.readyState !== EventSource.OPEN) Studio.connection.lost(); }, 2500);
  };
  /* The stream was refused: the project is gone, or there are too many streams, or the server is. The question is put
     at once: anything that opens the stream again before the answer would put it off for ever. */
  const check = async () => {
    close();
    try {
      const answer = await fetch(`/api/projects/${project}`, { cache: "no-store", headers: { Accept: "application/json" } });
      if (answer.status === 404) { end(); return; }
      if (answer.status === 401) { leave(); return; }
      Studio.connection.restored();
    } catch {
      Studio.connection.lost();
      return;
    }
    retryTimer = setTimeout(open, RETRY_MS);
  };

  document.body.addEventListener("server:gone", () => { if (!isGone) setState("reconnecting"); });
  document.body.addEventListener("server:back", () => { if (!document.hidden) open(); });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (isGone) return;
    if (document.hidden) hiddenTimer = setTimeout(() => { close(); setState("asleep"); }, HIDDEN_MS);
    else if (!source) open();
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  open();

  Studio.live = { lastSeq: () => lastSeq, isGone: () => isGone, topics: () => ({ ...TOPIC_OF }) };
})();
