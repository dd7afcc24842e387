/* Keeps the list of projects true: asks every few seconds while the page is seen, at once after a change or when it is
   seen again. The server answers 304 while nothing has changed. Opens the dialog of a project once it has come. */
(() => {
  "use strict";
  const PERIOD_MS = 3000;
  let etag = "";
  let shown = location.search;
  let timer = null;
  let isAsking = false;

  const list = () => document.getElementById("project-list");
  const isBusy = () => document.querySelector("dialog[open]") || document.querySelector(".htmx-request, [aria-busy=true]") || Studio.isPressed(list());
  const show = (html) => {
    const isEmpty = list().dataset.numProjects === "0";
    const focused = list().contains(document.activeElement) ? document.activeElement.id : "";
    htmx.swap("#project-list", html, { swapStyle: "outerHTML" });
    if (focused && !document.getElementById(focused)) document.getElementById("content").focus();
    /* The first project brings tools that the rest of the page does not have yet, the last one takes them away. */
    if (isEmpty !== (list().dataset.numProjects === "0")) location.reload();
  };
  const ask = async (isForced) => {
    if (isAsking || Studio.connection.isLost() || (!isForced && (document.hidden || isBusy()))) return;
    isAsking = true;
    const search = location.search;
    const headers = search === shown && etag ? { "If-None-Match": etag } : {};
    try {
      const answer = await fetch(`/projects/project-list${search}`, { cache: "no-store", headers: { "HX-Request": "true", ...headers } });
      if (answer.status === 401) location.reload(); /* signed out */
      if (answer.ok && search === location.search) {
        show(await answer.text());
        etag = answer.headers.get("etag") || "";
        shown = search;
      }
    } catch { Studio.connection.lost(); } finally { isAsking = false; }
  };
  const again = () => { clearTimeout(timer); timer = setTimeout(async () => { await ask(false); again(); }, PERIOD_MS); };

  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(false); });
  window.addEventListener("focus", () => ask(false));
  window.addEventListener("pageshow", (event) => { if (event.persisted) ask(true); });
  document.body.addEventListener("server:back", () => ask(true));
  document.body.addEventListener("projects-changed", () => { etag = ""; ask(true); });
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target?.id !== "project-dialog") return;
    Studio.openDialog("project-dialog-box", event.detail.requestConfig?.elt);
  });
  again();
})();
