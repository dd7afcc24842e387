/* The log of a run on the training page: read by byte offset, never more than MAX_LINES on the page. training_results.js
   says when there may be more to read. Studio.runLog: {read, follow, remember, takeBack}. */
(() => {
  "use strict";
  const MAX_LINES = 2000;
  const WAITS_MS = [100, 1500]; /* an event may come a moment before its line is written */
  const SLACK_PX = 24;
  const timers = new Set();
  let isReading = false;
  let isWanted = false;
  let rest = "";

  const panelOf = () => document.getElementById("run-log-panel");
  const part = (selector) => panelOf()?.querySelector(selector);
  const isFollowing = () => part("[data-log-follow]")?.getAttribute("aria-pressed") === "true";
  const lineElement = (text) => {
    const line = document.createElement("div");
    const level = /^\S+ (warning|error): /.exec(text);
    line.className = `run-log__line${level ? ` is-${level[1]}` : ""}`;
    line.textContent = text.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d+Z /, "$2 ");
    return line;
  };
  const addLog = (panel, text, isFirst) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    if (isFirst && Number(panel.dataset.offset) > 0) lines.shift(); /* it began in the middle of a line */
    const box = panel.querySelector("#run-log");
    box.append(...lines.slice(-MAX_LINES).map(lineElement));
    while (box.childElementCount > MAX_LINES) {
      box.firstElementChild.remove();
      panel.dataset.isCut = "";
    }
    const isCut = Number(panel.dataset.offset) > 0 || panel.dataset.isCut !== undefined;
    panel.querySelector("[data-log-state]").textContent = isCut ? "Only the last lines are shown. Download the log to see all." : "";
    box.scrollTop = box.scrollHeight;
  };
  const read = async () => {
    const panel = panelOf();
    if (!panel?.open || !isFollowing()) return;
    if (isReading) { isWanted = true; return; }
    isReading = true;
    try {
      let isMore = true;
      while (isMore && panel.isConnected) {
        const isFirst = panel.dataset.next === undefined;
        const offset = isFirst ? panel.dataset.offset : panel.dataset.next;
        const answer = await fetch(`${panel.dataset.log}?offset=${offset}`, { headers: { Accept: "application/json" } });
        if (!answer.ok) break;
        const { text, next_offset: next } = (await answer.json()).data;
        if (!panel.isConnected) break;
        panel.dataset.next = next;
        isMore = next > Number(offset);
        if (text) addLog(panel, text, isFirst);
      }
    } catch { /* the banner says that the server is gone; the next line tries again */ }
    isReading = false;
    if (isWanted) { isWanted = false; read(); }
  };
  const follow = () => {
    for (const wait of WAITS_MS) {
      if (timers.has(wait)) continue;
      timers.add(wait);
      setTimeout(() => { timers.delete(wait); read(); }, wait);
    }
  };
  const pressFollow = (isOn) => {
    const button = part("[data-log-follow]");
    button.setAttribute("aria-pressed", String(isOn));
    part("[data-log-state]").textContent = isOn ? "" : "Paused";
    if (isOn) read();
  };

  /* A swap of the fragment keeps what was read. */
  const remember = () => {
    const panel = panelOf();
    return panel && panel.dataset.next !== undefined
      ? { box: part("#run-log"), data: { ...panel.dataset }, state: part("[data-log-state]").textContent, isOn: isFollowing() } : null;
  };
  const takeBack = (kept) => {
    const panel = panelOf();
    if (!panel || !kept) { rest = ""; return; }
    Object.assign(panel.dataset, kept.data);
    part("#run-log").replaceWith(kept.box);
    kept.box.scrollTop = kept.box.scrollHeight;
    if (!kept.isOn) pressFollow(false);
    else part("[data-log-state]").textContent = kept.state;
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-log-follow]")) pressFollow(!isFollowing());
  });
  document.addEventListener("toggle", (event) => { if (event.target.id === "run-log-panel") read(); }, true);
  /* Who scrolls up wants to read: the log stands still until asked to follow again. */
  document.addEventListener("scroll", ({ target }) => {
    if (target.id !== "run-log" || !isFollowing()) return;
    if (target.scrollTop + target.clientHeight < target.scrollHeight - SLACK_PX) pressFollow(false);
  }, true);

  Studio.runLog = { read, follow, remember, takeBack };
})();
