/* Parts of a page that fetch themselves again leave the reader in peace: what came is not shown while it says the same,
   a part that is being pressed waits until the press is over, or the click would go nowhere, and the focus stays.
   And they miss nothing: what is asked for while an answer is on its way is asked for once more after it. */
(() => {
  "use strict";
  const RELEASE_MS = 50; /* a click follows the release at once, by touch a little later */
  const shown = new Map(); /* what each part showed when it was last fetched, by its id */
  const waiting = new Map();
  const askedAgain = new Set();
  let pressed = null;
  let focused = null;

  const isRefresh = ({ requestConfig: { elt, verb } }) => verb === "get" && !elt.matches("a, button, input, select, textarea, form");
  const isAlone = ({ target, requestConfig: { elt } }) => elt === target && target.id !== "";
  const fetchAgain = (element) => htmx.ajax("GET", element.getAttribute("hx-get"), { source: element, target: element, swap: "outerHTML" });
  /* What a control is called; the number tells those with the same name apart. */
  const describe = (element) => [element.tagName, element.getAttribute("aria-label") || element.getAttribute("href")
    || element.getAttribute("name") || element.textContent.trim(), element.getAttribute("value") || ""].join("|");
  const findLike = (root, description) => [...root.querySelectorAll("a, button, input, select, summary, textarea, [tabindex]")]
    .filter((element) => describe(element) === description);
  const keepFocus = (target) => {
    const element = document.activeElement;
    focused = null;
    if (!target.id || !target.contains(element) || element === target) return;
    const description = describe(element);
    focused = { id: target.id, own: element.id, description, index: findLike(target, description).indexOf(element) };
  };
  const giveFocus = () => {
    const wish = focused;
    focused = null;
    if (document.activeElement !== document.body) return;
    const root = document.getElementById(wish.id);
    const alike = root ? findLike(root, wish.description) : [];
    const next = (wish.own && document.getElementById(wish.own)) || alike[wish.index] || alike.at(-1) || document.getElementById("content");
    next.focus({ preventScroll: true });
  };

  /* What someone asked for inside a part makes it differ from what was fetched. */
  const forgetAround = (target) => {
    for (const id of shown.keys()) {
      const part = document.getElementById(id);
      if (!part || part.contains(target) || target.contains(part)) shown.delete(id);
    }
  };
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { detail } = event;
    if (!detail.shouldSwap || detail.isError || detail.xhr.status === 204 || !detail.target.isConnected) return;
    if (!isRefresh(detail)) { forgetAround(detail.target); return; }
    if (pressed && detail.target.contains(pressed)) {
      detail.shouldSwap = false;
      waiting.set(detail.target.id, detail);
      return;
    }
    if (isAlone(detail)) {
      if (shown.get(detail.target.id) === detail.serverResponse) { detail.shouldSwap = false; return; }
      shown.set(detail.target.id, detail.serverResponse);
    } else forgetAround(detail.target);
    keepFocus(detail.target);
  });
  document.addEventListener("htmx:afterSettle", () => { if (focused) giveFocus(); });

  /* htmx keeps a second wish with the element, which the first answer takes out of the page. */
  document.addEventListener("htmx:confirm", ({ detail: { elt, target, verb } }) => {
    if (verb === "get" && elt === target && elt.id && elt.classList.contains("htmx-request")) askedAgain.add(elt.id);
  });
  document.addEventListener("htmx:afterRequest", ({ detail: { requestConfig: { elt } } }) => {
    if (!askedAgain.delete(elt.id) || elt.isConnected) return;
    const next = document.getElementById(elt.id);
    if (next?.hasAttribute("hx-get")) fetchAgain(next);
  });

  const release = () => {
    pressed = null;
    for (const { target, pathInfo, requestConfig } of waiting.values()) {
      if (!target.isConnected) continue;
      if (requestConfig.elt === target) fetchAgain(target);
      else htmx.ajax("GET", pathInfo.finalRequestPath, { source: requestConfig.elt, target, swap: "outerHTML" });
    }
    waiting.clear();
  };
  const press = (event) => { pressed = event.target; };
  const letGo = () => { if (pressed) setTimeout(release, RELEASE_MS); };
  document.addEventListener("pointerdown", press, true);
  for (const name of ["pointerup", "pointercancel", "dragend"]) document.addEventListener(name, letGo, true);
  document.addEventListener("keydown", (event) => { if (event.key === " ") press(event); }, true);
  document.addEventListener("keyup", letGo, true);
  window.addEventListener("blur", letGo);

  /* A page of another shape, once another tab has added what is missing here, loads anew; not under an open dialog. */
  const reload = () => {
    if (document.querySelector("dialog[open]")) document.addEventListener("close", reload, { capture: true, once: true });
    else location.reload();
  };
  for (const element of document.querySelectorAll("[data-reload-on]")) {
    for (const topic of element.dataset.reloadOn.split(" ")) document.body.addEventListener(`live:${topic}`, reload, { once: true });
  }

  Studio.isPressed = (element) => pressed !== null && element.contains(pressed);
})();
