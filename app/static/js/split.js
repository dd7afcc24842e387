/* The dialog of a new split: three shares that always make 100 %, a seed to draw, a preview that follows. */
(() => {
  "use strict";
  const SUBSETS = ["train", "val", "test"];
  const form = document.querySelector("[data-split-form]");
  const preview = form.querySelector("[data-split-preview]");
  const seed = form.elements.namedItem("seed");
  const shares = { train: 70, val: 15, test: 15 };
  let valShare = 0.5; /* of what train leaves; kept while train moves, so that a drag there and back changes nothing */

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  /* Train leaves the rest to the others in their proportion; what validation or test take comes from train first. */
  const setShare = (subset, wanted) => {
    if (subset === "train") {
      shares.train = clamp(wanted, 1, 100);
      shares.val = Math.round((100 - shares.train) * valShare);
      shares.test = 100 - shares.train - shares.val;
      return;
    }
    const other = subset === "val" ? "test" : "val";
    shares[subset] = clamp(wanted, 0, 99);
    shares[other] = Math.min(shares[other], 99 - shares[subset]);
    shares.train = 100 - shares.val - shares.test;
    if (shares.val + shares.test > 0) valShare = shares.val / (shares.val + shares.test);
  };
  const show = (typedIn = null) => {
    for (const subset of SUBSETS) {
      for (const input of form.querySelectorAll(`[data-share="${subset}"]`)) {
        if (input !== typedIn) input.value = shares[subset];
        if (input.type === "range") input.setAttribute("aria-valuetext", `${shares[subset]} percent`);
      }
      form.elements.namedItem(`ratios.${subset}`).value = shares[subset] / 100;
    }
  };
  const askPreview = () => {
    if (!seed.checkValidity()) return;
    const [train, val, test] = SUBSETS.map((subset) => shares[subset] / 100);
    preview.setAttribute("hx-vals", JSON.stringify({ train, val, test, seed: Number(seed.value) }));
    preview.dispatchEvent(new CustomEvent("split-preview"));
  };

  form.addEventListener("input", (event) => {
    const { share } = event.target.dataset;
    if (share && event.target.value !== "") {
      setShare(share, Math.round(Number(event.target.value)));
      show(event.target.type === "number" ? event.target : null);
    }
    if (share || event.target === seed) askPreview();
  });
  /* What was typed and is out of range becomes what holds. */
  form.addEventListener("change", (event) => { if (event.target.dataset.share) show(); });
  form.addEventListener("click", (event) => {
    if (!event.target.closest("[data-draw-seed]")) return;
    seed.value = crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
    seed.dispatchEvent(new Event("input", { bubbles: true }));
  });
  form.closest("dialog").addEventListener("dialog:open", () => {
    const name = form.elements.namedItem("name");
    name.value = document.getElementById("split-list").dataset.suggestedName;
    name.focus();
    name.select();
    show();
    askPreview();
  });
})();
