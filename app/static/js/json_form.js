/* htmx extension "json-form": a form, or a button with hx-vals, that sends typed JSON and understands the envelope.
   Dotted names nest, `name[]` collects a list, types come from the inputs or from data-type. See plan/pages.md. */
(() => {
  "use strict";
  /* Only what carries the attribute itself: htmx hands extensions down, but what stands in a form may ask for itself. */
  const isTyped = (element) => (element.getAttribute("hx-ext") || "").split(/[\s,]+/).includes("json-form");
  /* With an hx-target of its own the answer is a fragment to be swapped, without one it is JSON. */
  const wantsFragment = (element) => element.hasAttribute("hx-target");

  const toNumber = (text) => (text.trim() === "" ? null : Number(text));
  /* With or without brackets, as lists stand in messages and in JSON. */
  const toList = (text, convert) => text.replace(/^\s*\[|\]\s*$/g, "").split(/[\s,;]+/).filter(Boolean).map(convert);
  /* What is not a number is sent as it was typed, so that the refusal can name it. */
  const toNumberOrText = (text) => (Number.isFinite(Number(text)) ? Number(text) : text);
  const CONVERT = {
    text: (text) => text,
    number: toNumber,
    int: toNumber,
    bool: (text) => text === "true",
    list: (text) => toList(text, String),
    "list:number": (text) => toList(text, toNumberOrText),
    json: (text) => (text.trim() === "" ? null : JSON.parse(text)),
    "null-if-empty": (text) => (text.trim() === "" ? null : text),
  };
  const readValue = (field) => {
    if (field.type === "checkbox" && !field.name.endsWith("[]")) return field.checked;
    const isNumber = field.type === "number" || field.type === "range";
    return CONVERT[field.dataset.type || (isNumber ? "number" : "text")](field.value);
  };
  const isOneOfSeveral = (field) => field.type === "radio" || (field.type === "checkbox" && field.name.endsWith("[]"));
  const isSent = (field) => {
    if (!field.name || field.disabled || field.closest("fieldset[disabled]")) return false;
    if (["submit", "button", "reset", "file", "image"].includes(field.type)) return false;
    if (isOneOfSeveral(field)) return field.checked;
    return !(field.dataset.empty === "omit" && field.value.trim() === "");
  };
  const put = (data, path, value) => {
    let at = data;
    const keys = path.split(".");
    for (const key of keys.slice(0, -1)) at = at[key] ??= {};
    at[keys.at(-1)] = value;
  };
  const readForm = (form) => {
    const data = {};
    const lists = {};
    for (const field of form.elements) {
      if (field.name?.endsWith("[]") && !field.disabled) lists[field.name.slice(0, -2)] ??= [];
      if (!isSent(field)) continue;
      if (field.name.endsWith("[]")) lists[field.name.slice(0, -2)].push(readValue(field));
      else put(data, field.name, readValue(field));
    }
    for (const [path, values] of Object.entries(lists)) put(data, path, values);
    return data;
  };
  /* The form that is sent: the element itself, or the one that hx-include names ("closest form", or a selector). */
  const formOf = (element) => {
    if (element instanceof HTMLFormElement) return element;
    const wish = element.getAttribute("hx-include");
    if (!wish) return null;
    const found = wish.startsWith("closest ") ? element.closest(wish.slice(8)) : document.querySelector(wish);
    return found instanceof HTMLFormElement ? found : null;
  };
  const readBody = (element) => {
    const values = JSON.parse(element.getAttribute("hx-vals") || "{}");
    const form = formOf(element);
    return { ...(form ? readForm(form) : {}), ...values };
  };

  /* Errors beside their fields; a path without one goes to the nearest above it, or to the summary. */
  const findField = (form, path) => {
    const keys = path.split(".");
    for (let length = keys.length; length > 0; length -= 1) {
      const name = CSS.escape(keys.slice(0, length).join("."));
      const fields = [...form.querySelectorAll(`[name="${name}"]:not([type=hidden]), [name="${name}[]"]:not([type=hidden])`)];
      /* The first of a group may be one that cannot be chosen, and a disabled one takes no focus. */
      if (fields.length) return fields.find((field) => !field.disabled) || fields[0];
    }
    return null;
  };
  /* Boxes and radio buttons with one name are one question: their label and error are those of the group around them. */
  const groupOf = (field) => (isOneOfSeveral(field) ? field.closest('fieldset, [role="group"]') : null);
  const errorOf = (field) => {
    const group = groupOf(field);
    return group ? group.querySelector(":scope > .field__error") : field.closest(".field")?.querySelector(".field__error");
  };
  const clearError = (field) => {
    field.removeAttribute("aria-invalid");
    const text = errorOf(field);
    if (text) { text.textContent = ""; text.hidden = true; }
  };
  /* What was corrected leaves the summary too, which goes with its last line. */
  const forget = (field) => {
    const summary = field.form?.querySelector("[data-form-errors]");
    if (!summary || summary.hidden) return;
    const lines = [...summary.querySelectorAll("li")];
    const done = lines.filter((line) => line.dataset.for === field.name);
    for (const line of done) line.remove();
    if (done.length && done.length === lines.length) { summary.replaceChildren(); summary.hidden = true; }
  };
  const clearErrors = (form) => {
    for (const field of form.querySelectorAll("[aria-invalid]")) clearError(field);
    const summary = form.querySelector("[data-form-errors]");
    if (summary) { summary.replaceChildren(); summary.hidden = true; }
  };
  const showOnField = (field, message) => {
    field.setAttribute("aria-invalid", "true");
    const text = errorOf(field);
    if (!text) return false;
    text.textContent = message;
    text.hidden = false;
    return true;
  };
  const labelOf = (field) => {
    const place = groupOf(field) || field.closest(".field");
    return place?.querySelector("legend, .field__label")?.firstChild?.textContent.trim();
  };
  const showProblem = (form, problem, movesFocus = true) => {
    clearErrors(form);
    const summary = form.querySelector("[data-form-errors]");
    const fields = [];
    const lines = problem.details.map(({ field: path, message }) => {
      const field = findField(form, path);
      if (field && showOnField(field, message)) fields.push(field);
      const label = field ? labelOf(field) : "";
      return { name: field ? field.name : "", text: Studio.detailText({ field: path, message }, label) };
    });
    if (summary) {
      const text = document.createElement("p");
      text.textContent = problem.message;
      const list = document.createElement("ul");
      for (const { name, text: words } of lines) {
        const line = document.createElement("li");
        line.textContent = words;
        line.dataset.for = name;
        list.append(line);
      }
      summary.replaceChildren(text, ...(lines.length ? [list] : []));
      summary.hidden = false;
    } else {
      Studio.toast({ kind: "error", text: Studio.problemText(problem) });
    }
    if (movesFocus) (fields[0] || summary)?.focus();
  };

  const begin = (element, event) => {
    if (element.getAttribute("aria-busy") === "true") { event.preventDefault(); return; }
    element.setAttribute("aria-busy", "true");
    const form = formOf(element);
    if (form) clearErrors(form);
  };
  const leaves = ({ successGo, successReload }) => successGo !== undefined || successReload !== undefined;
  const finish = (element, xhr) => {
    const isDone = xhr.status >= 200 && xhr.status < 300;
    if (!isDone || !leaves(element.dataset)) element.removeAttribute("aria-busy"); /* else busy until the next page is here */
    if (!xhr.status) return;
    if (xhr.status >= 400) {
      const problem = Studio.readProblem(xhr);
      const form = formOf(element);
      /* What asks by itself while someone types, a preview, must not move the focus. */
      if (form) showProblem(form, problem, form === element);
      else Studio.toast({ kind: "error", text: Studio.problemText(problem) });
      return;
    }
    const isJson = (xhr.getResponseHeader("content-type") || "").includes("json");
    Studio.followSuccess(element, isJson ? JSON.parse(xhr.responseText).data : null);
  };
  const configure = (element, detail) => {
    if (detail.verb === "delete") for (const key of [...detail.formData.keys()]) detail.formData.delete(key);
    else if (detail.verb !== "get") detail.headers["Content-Type"] = "application/json";
    if (!wantsFragment(element)) { delete detail.headers["HX-Request"]; detail.headers.Accept = "application/json"; }
  };

  htmx.defineExtension("json-form", {
    encodeParameters(xhr, parameters, element) {
      if (!isTyped(element)) return null;
      xhr.overrideMimeType("text/json");
      return JSON.stringify(readBody(element));
    },
  });
  /* htmx reports some of these on the target: what asked is always in requestConfig. */
  const listen = (name, run) => document.addEventListener(name, (event) => {
    const element = event.detail.requestConfig?.elt || event.detail.elt;
    if (isTyped(element)) run(element, event);
  });
  listen("htmx:configRequest", (element, event) => configure(element, event.detail));
  listen("htmx:beforeRequest", begin);
  listen("htmx:beforeSwap", (element, event) => {
    if (event.detail.xhr.status >= 400 || !wantsFragment(element)) event.detail.shouldSwap = false;
  });
  listen("htmx:afterRequest", (element, event) => finish(element, event.detail.xhr));
  /* One press, one request: htmx would send a second one after the first, and a double click is one press. */
  document.addEventListener("htmx:confirm", (event) => {
    const { elt } = event.detail;
    if (!isTyped(elt) || elt.getAttribute("aria-busy") !== "true") return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  document.addEventListener("click", (event) => {
    if (event.detail < 2) return;
    const button = event.target.closest("button, a, input[type=submit]");
    if (!button || !(isTyped(button) || (button.type === "submit" && button.form && isTyped(button.form)))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) for (const element of document.querySelectorAll("[hx-ext][aria-busy]")) element.removeAttribute("aria-busy");
  });
  document.addEventListener("input", (event) => {
    const { form, name } = event.target;
    if (!form || !name) return;
    /* Of radio buttons and of boxes with one name the first is marked, whichever is pressed. */
    const marked = [...form.querySelectorAll(`[name="${CSS.escape(name)}"][aria-invalid]`)];
    for (const field of marked) { clearError(field); forget(field); }
  });

  Object.assign(window.Studio, { isTyped, labelOf, readForm, readValue, showProblem, clearErrors, clearFieldError: clearError, showFieldError: showOnField });
})();
