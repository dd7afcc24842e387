/* A format that the browser cannot show: data-fallback in its place, and the word about it in its figure. */
(() => {
  "use strict";
  const replace = (image) => {
    const { fallback } = image.dataset;
    delete image.dataset.fallback;
    image.src = fallback;
    image.closest("figure").querySelector("[data-fallback-note]").hidden = false;
  };
  document.addEventListener("error", (event) => { if (event.target.dataset?.fallback) replace(event.target); }, true);
  /* What came with the page may have failed before this script ran. */
  for (const image of document.querySelectorAll("img[data-fallback]")) if (image.complete && !image.naturalWidth) replace(image);
})();
