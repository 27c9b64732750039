// Pictures larger and smaller, moved by keys and by dragging; two side by side move together.
"use strict";
(() => {
  const STEP = 1.25;
  const MOST = 8; // times their own size
  const MOVE = 60; // px an arrow key moves
  const viewers = [...document.querySelectorAll("[data-viewer]")].map(viewer);
  let moving = false; // one follows the other, and not back again

  function viewer(place) {
    const stage = place.querySelector(".stage");
    const image = stage.querySelector("img");
    const said = place.querySelector("output");
    const own = image.width;
    const high = image.height;
    let size = 0; // times its own size; 0 is as large as there is room

    const fits = () => Math.min(1, stage.clientWidth / own || 1);
    const now = () => size || fits();

    function show(next) {
      const before = now();
      const middle = [(stage.scrollLeft + stage.clientWidth / 2) / before, (stage.scrollTop + stage.clientHeight / 2) / before];
      size = next && Math.min(MOST, Math.max(Math.min(fits(), 1), next));
      image.style.width = size ? `${Math.round(own * size)}px` : "";
      image.style.maxWidth = size ? "none" : "";
      image.style.height = size ? `${Math.round(high * size)}px` : "";
      stage.scrollTo(middle[0] * now() - stage.clientWidth / 2, middle[1] * now() - stage.clientHeight / 2);
      said.textContent = said.dataset.said.replace("{n}", Math.round(now() * 100));
    }

    const acts = { in: () => now() * STEP, out: () => now() / STEP, fit: () => 0, own: () => 1 };
    const keys = { "+": "in", "=": "in", "-": "out", 0: "fit", 1: "own" };
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const together = (act) => {
      for (const one of viewers.length > 1 ? viewers : [self]) one.act(act);
    };
    const self = { stage, act: (act) => show(acts[act]()), now };

    place.querySelector(".row").hidden = false;
    place.addEventListener("click", (event) => {
      const act = event.target.closest("[data-act]")?.dataset.act;
      if (act) together(act);
    });
    stage.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (keys[event.key]) together(keys[event.key]);
      else if (arrows[event.key]) stage.scrollBy(...arrows[event.key].map((way) => way * MOVE));
      else return;
      event.preventDefault();
    });
    stage.addEventListener("scroll", () => {
      if (moving || viewers.length < 2) return;
      moving = true;
      for (const other of viewers) {
        if (other.stage === stage) continue;
        other.stage.scrollTo(
          (stage.scrollLeft / (stage.scrollWidth - stage.clientWidth || 1)) * (other.stage.scrollWidth - other.stage.clientWidth),
          (stage.scrollTop / (stage.scrollHeight - stage.clientHeight || 1)) * (other.stage.scrollHeight - other.stage.clientHeight));
      }
      requestAnimationFrame(() => { moving = false; });
    });
    stage.addEventListener("pointerdown", (event) => {
      if (event.button || event.pointerType === "touch") return; // fingers scroll by themselves
      stage.setPointerCapture(event.pointerId);
      stage.classList.add("held");
    });
    stage.addEventListener("pointermove", (event) => {
      if (stage.hasPointerCapture(event.pointerId)) stage.scrollBy(-event.movementX, -event.movementY);
    });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => stage.classList.remove("held"));
    image.draggable = false;
    return self;
  }
})();
