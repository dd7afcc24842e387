/* Light, dark or as the system has it: applied before the first paint, the same in every tab. */
(() => {
  "use strict";
  const KEY = "theme";
  const CHOICES = ["system", "light", "dark"];
  const root = document.documentElement;

  const read = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const apply = (choice) => {
    root.dataset.themeChoice = CHOICES.includes(choice) ? choice : "system";
    if (choice === "light" || choice === "dark") root.dataset.theme = choice;
    else delete root.dataset.theme;
  };
  /* From "system" first to what looks different, so that the first press is seen, then through the other to "system". */
  const findNext = () => {
    const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
    const order = isDark ? ["system", "light", "dark"] : ["system", "dark", "light"];
    return order[(order.indexOf(root.dataset.themeChoice) + 1) % order.length];
  };
  const describe = () => {
    const choice = root.dataset.themeChoice;
    const next = findNext();
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.setAttribute("aria-label", `Theme: ${choice}. Change to ${next}`);
      button.title = `Theme: ${choice}`;
    }
  };
  const change = (choice) => {
    apply(choice);
    describe();
    document.dispatchEvent(new CustomEvent("theme:changed"));
  };

  apply(read());
  document.addEventListener("DOMContentLoaded", describe);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const choice = findNext();
    try { localStorage.setItem(KEY, choice); } catch { /* kept for this page only */ }
    change(choice);
  });
  window.addEventListener("storage", (event) => { if (event.key === KEY) change(event.newValue); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change(root.dataset.themeChoice));
})();
