// Marks are drawn on the picture by mouse, finger or keys. All this does is fill the form's fields, as somebody may type them.
"use strict";
(() => {
  const STEP = 10; // px an arrow key moves with Shift
  const board = document.querySelector("[data-drawing]");
  const form = document.querySelector("[data-marking]");
  if (!board || !form) return;
  const image = board.querySelector("img");
  const wide = Number(board.dataset.width);
  const high = Number(board.dataset.height);
  const canvas = document.createElement("canvas");
  const said = document.createElement("output");
  const pen = canvas.getContext("2d");
  const field = (name) => form.elements.namedItem(name);
  let at = [Math.round(wide / 2), Math.round(high / 2)];
  let start = null; // where the mark under way began
  let points = []; // of the brush
  let keyed = false; // the cross is shown where keys are used

  [canvas.width, canvas.height] = [wide, high];
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", board.dataset.label);
  said.className = "unseen";
  board.append(canvas);
  board.after(said);

  const tool = () => field("tool").value;
  const thick = () => Math.max(1, Number(field("thickness").value) || 1);
  const clamp = (value, most) => Math.min(most, Math.max(0, Math.round(value)));

  function fill() {
    form.querySelector("[name=unit][value=px]").checked = true;
    if (tool() === "brush") {
      field("points").value = points.map((point) => point.join(",")).join(" ");
      return;
    }
    const [x, y] = tool() === "arrow" ? start : [Math.min(start[0], at[0]), Math.min(start[1], at[1])];
    const [width, height] = [at[0] - start[0], at[1] - start[1]];
    field("x").value = x;
    field("y").value = y;
    field("width").value = tool() === "arrow" ? width : Math.abs(width);
    field("height").value = tool() === "arrow" ? height : Math.abs(height);
  }

  // what the form says, as it will look: white on black, so that it is seen on every ground
  function draw() {
    const line = Math.max(2, Math.round(wide / 400));
    pen.clearRect(0, 0, wide, high);
    pen.lineCap = pen.lineJoin = "round";
    if (start) mark(line);
    if (keyed) {
      const arm = Math.max(8, wide / 40);
      stroke([[at[0] - arm, at[1]], [at[0] + arm, at[1]]], line);
      stroke([[at[0], at[1] - arm], [at[0], at[1] + arm]], line);
    }
  }
  function mark(line) {
    if (tool() === "brush") {
      stroke([...points, points.at(-1).map((one) => one + 0.1)], thick());
      return;
    }
    if (tool() === "arrow") {
      stroke([at, start], line);
      stroke([start, start.map((one) => one + 0.1)], line * 5);
      return;
    }
    const [left, top] = [Math.min(start[0], at[0]), Math.min(start[1], at[1])];
    const [right, bottom] = [Math.max(start[0], at[0]), Math.max(start[1], at[1])];
    if (tool() === "box") {
      pen.fillStyle = "rgb(0 0 0 / 60%)";
      pen.fillRect(left, top, right - left, bottom - top);
    }
    stroke([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]], line);
  }
  function stroke(places, width) {
    for (const [colour, more] of [["black", 4], ["white", 0]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width + more;
      pen.beginPath();
      for (const one of places) pen.lineTo(...one);
      pen.stroke();
    }
  }

  function begin() {
    start = [...at];
    points = [[...at]];
  }
  function move(x, y, drawing) {
    at = [clamp(x, wide), clamp(y, high)];
    const last = points.at(-1);
    if (drawing && last && Math.hypot(last[0] - at[0], last[1] - at[1]) >= Math.max(2, thick() / 4)) points.push([...at]);
    if (drawing) fill();
    draw();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    keyed = false;
    canvas.setPointerCapture(event.pointerId);
    at = place(event);
    begin();
    fill();
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) move(...place(event), true);
  });
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [clamp(((event.clientX - box.left) / box.width) * wide, wide), clamp(((event.clientY - box.top) / box.height) * high, high)];
  }

  let holding = false; // a mark is under way by keys
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = arrows[event.key];
    if (way) {
      keyed = true;
      const step = event.shiftKey ? STEP : 1;
      move(at[0] + way[0] * step, at[1] + way[1] * step, holding);
    } else if (event.key === " ") {
      keyed = true;
      holding = !holding;
      if (holding) begin();
      fill();
      draw();
    } else if (event.key === "Enter" && start) {
      form.requestSubmit(form.querySelector("button[name=do]"));
    } else if (event.key === "Escape" && start) {
      holding = false;
      start = null;
      draw();
    } else return;
    event.preventDefault();
    said.textContent = board.dataset.at.replace("{x}", at[0]).replace("{y}", at[1]);
  });
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", () => { keyed = false; draw(); });
  form.addEventListener("change", draw);
  image.draggable = false;
})();
