/* Says when the server does not answer and when it is back. Asks nothing while all is well. */
(() => {
  "use strict";
  const WAITS_MS = [500, 1000, 2000, 3000, 5000];
  let isLost = false;
  let attempt = 0;
  let timer = null;

  const show = () => { const banner = document.getElementById("server-gone"); if (banner) banner.hidden = !isLost; };
  const restored = () => {
    if (!isLost) return;
    isLost = false;
    show();
    document.body.dispatchEvent(new CustomEvent("server:back"));
  };
  const look = async () => {
    clearTimeout(timer);
    if (!isLost) return;
    try {
      const answer = await fetch("/api/system/health", { cache: "no-store" });
      if (answer.ok || answer.status === 401) { restored(); return; } /* signed out */
    } catch { /* still gone */ }
    attempt += 1;
    clearTimeout(timer); /* two may have looked at once */
    timer = setTimeout(look, WAITS_MS[Math.min(attempt, WAITS_MS.length - 1)]);
  };
  const lost = () => {
    if (isLost) return;
    isLost = true;
    attempt = 0;
    show();
    document.body.dispatchEvent(new CustomEvent("server:gone"));
    timer = setTimeout(look, WAITS_MS[0]);
  };
  window.addEventListener("online", look);
  document.addEventListener("click", (event) => { if (event.target.closest("[data-look-again]")) look(); });

  Studio.connection = { lost, restored, isLost: () => isLost };
})();
