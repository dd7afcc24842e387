/* The list of the server's folders in the import dialog: it opens beside the path, and what is chosen becomes the path. */
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const field = () => byId("check-form").elements.source_path;
  const opener = () => document.querySelector("[data-browse-folders]");
  const browser = () => byId("folder-browser");

  const show = (isShown) => {
    browser().hidden = !isShown;
    opener().setAttribute("aria-expanded", String(isShown));
  };
  const open = () => {
    const text = field().value.trim();
    show(true);
    htmx.ajax("GET", `/api/folders${text ? `?path=${encodeURIComponent(text)}` : ""}`, { target: "#folder-browser", swap: "outerHTML", source: opener() });
  };
  const choose = (path) => {
    field().value = path;
    field().dispatchEvent(new Event("input", { bubbles: true }));
    show(false);
    field().focus();
    byId("check-form").requestSubmit();
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-browse-folders]")) { if (browser().hidden) open(); else show(false); }
    const choice = event.target.closest("[data-choose-path]");
    if (choice) choose(choice.dataset.choosePath);
  });
  /* A path that cannot be listed begins at the first place; the dialog says why. */
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.elt !== opener()) return;
    if (event.detail.pathInfo.requestPath.includes("?path=")) htmx.ajax("GET", "/api/folders", { target: "#folder-browser", swap: "outerHTML", source: opener() });
    else show(false);
  });
  /* Whoever goes through folders by keyboard goes on at the list of the next one. */
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "folder-browser" && event.detail.elt.id !== "folder-browser") return;
    if (browser().dataset.path === undefined) return;
    browser().querySelector("[data-folder-summary]").focus({ preventScroll: true });
  });
  /* Up one folder, as file managers have it. */
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Backspace" || !event.target.closest?.("#folder-browser")) return;
    event.preventDefault();
    browser().querySelector("[data-folder-up]")?.click();
  });
})();
