/* What every page shares: toasts, answers of the server that say no, questions before something is lost, and what
   happens after a success. Knows no page; the attributes that it reads are listed in plan/pages.md. */
window.Studio = window.Studio || {};

(() => {
  "use strict";
  const FLASH = "flash";

  /* Toasts. A modal dialog covers the page and makes it inert, so it shows its own while it is open. */
  const findRegion = () => {
    const page = document.getElementById("toasts");
    const dialog = [...document.querySelectorAll("dialog:modal")].at(-1);
    if (!dialog) return page;
    const own = dialog.querySelector(":scope > .toasts");
    if (own) return own;
    const region = page.cloneNode(false);
    region.removeAttribute("id");
    dialog.append(region);
    return region;
  };
  document.addEventListener("close", (event) => {
    const own = event.target.querySelector?.(":scope > .toasts");
    if (!own) return;
    document.getElementById("toasts").append(...own.children);
    own.remove();
  }, true);
  const toast = ({ text, kind = "good", action = null }) => {
    const region = findRegion();
    const item = document.createElement("div");
    item.className = `toast toast--${kind}`;
    if (kind === "error") item.setAttribute("role", "alert");
    const words = document.createElement("p");
    words.className = "toast__text";
    words.textContent = text;
    item.append(words);
    const remove = () => item.remove();
    const addButton = (label, run) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button button--quiet button--small";
      button.textContent = label;
      button.addEventListener("click", () => { remove(); run?.(); });
      item.append(button);
    };
    if (action) addButton(action.label, action.run);
    addButton("Dismiss");
    region.append(item);
    let timer = null;
    const wait = () => { timer = setTimeout(remove, kind === "error" ? 20000 : 6000); };
    for (const name of ["pointerenter", "focusin"]) item.addEventListener(name, () => clearTimeout(timer));
    for (const name of ["pointerleave", "focusout"]) item.addEventListener(name, wait);
    wait();
    return item;
  };

  /* A toast that is shown by the page that comes next. */
  const keepToast = (message) => {
    try { sessionStorage.setItem(FLASH, JSON.stringify(message)); } catch { /* the next page says nothing */ }
  };
  const showKeptToast = () => {
    try {
      const kept = sessionStorage.getItem(FLASH);
      sessionStorage.removeItem(FLASH);
      if (kept) toast(JSON.parse(kept));
    } catch { /* nothing was kept */ }
  };

  /* The error of an answer, whether it came as JSON or as a fragment: {code, message, details: [{field, message}]}. */
  const readError = (xhr) => {
    const type = xhr.getResponseHeader("content-type") || "";
    if (type.includes("json")) {
      try {
        const { code, message, details } = JSON.parse(xhr.responseText).error;
        return { code, message, details: Array.isArray(details) ? details : [] };
      } catch { return null; }
    }
    const parsed = new DOMParser().parseFromString(xhr.responseText, "text/html").getElementById("error");
    if (!parsed) return null;
    const details = [...parsed.querySelectorAll("[data-field]")].map((item) => (
      { field: item.dataset.field, message: item.dataset.message }));
    return { code: parsed.dataset.code, message: parsed.dataset.message, details };
  };
  /* What was refused value by value is told by the values; the message for programs would only stand before them. */
  const readProblem = (xhr) => {
    const problem = readError(xhr) || { code: String(xhr.status), message: `The server returned an error (HTTP ${xhr.status}).`, details: [] };
    /* A conflict that names a field, such as a name that is in use, is corrected there like a refused value. */
    const isByValue = ["VALIDATION_ERROR", "CONFLICT"].includes(problem.code) && problem.details.length > 0;
    return isByValue ? { ...problem, message: "Please correct:" } : problem;
  };
  /* One refused value. A whole sentence is shown as it is, unless the page has a `label` for it. Before other messages,
     and before those about a part of a setting, such as train.0.p, which they do not name, goes what they are about: as
     the page calls it, else as programs know it. */
  const labelAt = (path) => {
    const field = document.querySelector(`[name="${CSS.escape(path)}"]:not([type=hidden])`);
    return field && Studio.labelOf(field);
  };
  const detailText = ({ field, message }, label = "") => {
    if (!label && message.endsWith(".") && !/[.[]/.test(field)) return message;
    return `${label || labelAt(field) || field}: ${message}`;
  };
  const problemText = ({ message, details }) => {
    const told = details.map((item) => detailText(item)).join(" ");
    if (details.length && details.every((item) => item.message.endsWith("."))) return told;
    return told ? `${message} ${told}` : message;
  };

  /* After a success: data-success-toast, -event, -go, -reload; a dialog closes unless data-success-keep-open. */
  const fill = (text, data) => text.replace(/\{([\w.]+)\}/g, (_, path) => {
    const value = path.split(".").reduce((at, key) => at?.[key], data);
    return value === undefined || value === null ? "" : String(value);
  });
  const fillAddress = (text, data) => text.replace(/\{([\w.]+)\}/g, (name) => encodeURIComponent(fill(name, data)));
  const followSuccess = (element, data) => {
    const wishes = element.dataset;
    element.dispatchEvent(new CustomEvent("form:success", { bubbles: true, detail: { data } }));
    const leaves = wishes.successGo !== undefined || wishes.successReload !== undefined;
    if (wishes.successToast) {
      const message = { text: fill(wishes.successToast, data) };
      if (leaves) keepToast(message); else toast(message);
    }
    for (const name of (wishes.successEvent || "").split(" ").filter(Boolean)) {
      document.body.dispatchEvent(new CustomEvent(name, { detail: { data } }));
    }
    if (wishes.successKeepOpen === undefined) element.closest("dialog[open]")?.close();
    if (wishes.successGo !== undefined) location.assign(fillAddress(wishes.successGo, data));
    else if (wishes.successReload !== undefined) location.reload();
  };

  /* hx-confirm asks in our own dialog. */
  const ask = ({ title, text, action, refusal = "Cancel", isDanger }) => new Promise((resolve) => {
    const dialog = document.getElementById("confirm");
    dialog.querySelector("[data-confirm-title]").textContent = title;
    dialog.querySelector("[data-confirm-text]").textContent = text;
    dialog.querySelector("[data-confirm-no]").textContent = refusal;
    const button = dialog.querySelector("[data-confirm-yes]");
    button.textContent = action;
    button.className = `button ${isDanger ? "button--danger" : "button--primary"}`;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
  /* What asked may have been drawn anew while the question stood: the same control of now takes its place. */
  const VERBS = ["hx-delete", "hx-post", "hx-put", "hx-patch"];
  const findTwin = (elt) => {
    const byId = elt.id && document.getElementById(elt.id);
    if (byId) return byId;
    const verb = VERBS.find((name) => elt.hasAttribute(name));
    return [...document.querySelectorAll(`${elt.tagName}[${verb}]`)].find((other) => other.getAttribute(verb) === elt.getAttribute(verb)
      && other.getAttribute("hx-vals") === elt.getAttribute("hx-vals"));
  };
  let confirmed = null;
  const carryOut = (detail) => {
    if (detail.elt.isConnected) { detail.issueRequest(true); return; }
    const twin = findTwin(detail.elt);
    if (!twin || twin.getAttribute("aria-disabled") === "true") {
      toast({ kind: "error", text: "This changed while the dialog was open, so nothing was done. Check the page and try again." });
      return;
    }
    confirmed = twin;
    if (twin instanceof HTMLFormElement) twin.requestSubmit(); else twin.click();
    confirmed = null;
  };
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    if (event.detail.elt === confirmed) { event.detail.issueRequest(true); return; }
    const wishes = event.detail.elt.dataset;
    ask({
      title: wishes.confirmTitle || "Are you sure?",
      text: event.detail.question,
      action: wishes.confirmAction || "Continue",
      refusal: wishes.confirmCancel,
      isDanger: wishes.confirmDanger !== undefined,
    }).then((isYes) => { if (isYes) carryOut(event.detail); });
  });

  /* A refusal is shown in data-error-target (a selector, or "this"), else as a toast. Typed forms show their own. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    const { elt } = requestConfig;
    if (xhr.status < 400 || Studio.isTyped(elt)) return;
    const wish = elt.closest("[data-error-target]")?.dataset.errorTarget;
    const target = wish === "this" ? elt : wish && document.querySelector(wish);
    if (target && (xhr.getResponseHeader("content-type") || "").includes("text/html")) {
      event.detail.target = target;
      event.detail.swapOverride = "innerHTML";
      event.detail.shouldSwap = true;
      return;
    }
    event.detail.shouldSwap = false;
    toast({ kind: "error", text: problemText(readProblem(xhr)) });
  });
  document.addEventListener("htmx:sendError", (event) => {
    Studio.connection.lost();
    const { elt, requestConfig } = event.detail;
    const retry = () => {
      if (!elt.isConnected) return location.reload();
      if (elt instanceof HTMLFormElement) return elt.requestSubmit();
      if (elt.matches("button, a, input[type=submit]")) return elt.click();
      return htmx.ajax(requestConfig.verb, requestConfig.path, { source: elt });
    };
    toast({ kind: "error", text: "The server is not responding. Nothing was sent.", action: { label: "Retry", run: retry } });
  });
  document.addEventListener("htmx:timeout", () => {
    toast({ kind: "error", text: "The server took too long to respond. Reload the page to see the current state." });
  });
  document.addEventListener("DOMContentLoaded", showKeptToast);

  /* "3 minutes ago" stays true while a page is open; the words are those of times.py. */
  const UNITS = [[3600, "minute", 60], [86400, "hour", 3600], [604800, "day", 86400]];
  const describeAge = (ageS) => {
    if (ageS < 60) return "just now";
    const found = UNITS.find(([limitS]) => ageS < limitS);
    if (!found) return null;
    const number = Math.floor(ageS / found[2]);
    return `${number} ${found[1]}${number === 1 ? "" : "s"} ago`;
  };
  const showAges = () => {
    for (const element of document.querySelectorAll("time[data-age]")) {
      const text = describeAge((Date.now() - Date.parse(element.dateTime)) / 1000);
      if (text && element.textContent !== text) element.textContent = text;
    }
  };
  setInterval(showAges, 20000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) showAges(); });

  Object.assign(Studio, { toast, keepToast, readProblem, detailText, problemText, followSuccess, ask });
})();
