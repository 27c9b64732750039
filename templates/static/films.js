// A moving picture is played from its sheet, on which all frames lie side by side. Nothing moves before somebody wants it to.
"use strict";
(() => {
  for (const place of document.querySelectorAll("[data-film]")) film(place);

  function film(place) {
    const frames = Number(place.dataset.frames);
    const columns = Number(place.dataset.columns);
    const time = Number(place.dataset.ms);
    const sheet = place.querySelector("img");
    const said = place.querySelector("output");
    const button = place.querySelector("[data-act=play]");
    const canvas = document.createElement("canvas");
    const [wide, high] = ["width", "height"].map((side) => Number(sheet.getAttribute(side)));
    const across = wide / columns;
    const down = high / Math.ceil(frames / columns);
    let at = 0;
    let timer = 0;
    [canvas.width, canvas.height] = [across, down];
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${sheet.alt} ${place.dataset.label}`);
    sheet.before(canvas);
    place.querySelector(".row").hidden = false;
    sheet.hidden = true;

    function show(next) {
      at = (next + frames) % frames;
      const [left, top] = [(at % columns) * across, Math.floor(at / columns) * down];
      const scale = sheet.naturalWidth / wide || 1; // a browser may hold a large sheet smaller
      canvas.getContext("2d").drawImage(sheet, left * scale, top * scale, across * scale, down * scale, 0, 0, across, down);
      said.textContent = place.dataset.said.replace("{n}", at + 1).replace("{all}", frames);
    }
    function stop() {
      clearInterval(timer);
      timer = 0;
      button.textContent = place.dataset.play;
      said.setAttribute("aria-live", "polite");
    }
    function play() {
      said.setAttribute("aria-live", "off"); // thirty numbers a second are not to be read out
      timer = setInterval(() => show(at + 1), time);
      button.textContent = place.dataset.pause;
    }
    const acts = {
      play: () => (timer ? stop() : play()),
      back: () => (stop(), show(at - 1)),
      on: () => (stop(), show(at + 1)),
    };
    const keys = { " ": "play", ArrowLeft: "back", ArrowRight: "on" };

    place.addEventListener("click", (event) => acts[event.target.closest("[data-act]")?.dataset.act]?.());
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
      acts[keys[event.key]]();
      event.preventDefault();
    });
    document.addEventListener("visibilitychange", () => document.hidden && timer && stop());
    if (sheet.complete) show(0);
    else sheet.addEventListener("load", () => show(0), { once: true });
  }
})();
