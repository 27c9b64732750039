// What is wrong with the page that is open, as a list of sentences; an empty list is what the tests want.
(() => {
  const wrong = [];
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const name = (element) => `<${element.tagName.toLowerCase()} ${element.className}> “${(element.textContent.trim() || element.name || "").slice(0, 30)}”`;
  const box = (element) => element.getBoundingClientRect();
  const visible = (element) => box(element).width > 1 && box(element).height > 1 && !element.matches(".skip, .unseen");

  // nothing is wider than the window
  if (document.documentElement.scrollWidth > innerWidth) wrong.push(`${document.documentElement.scrollWidth} px in a window of ${innerWidth}`);
  const work = document.querySelector("main");
  if (!work.matches(".wide") && box(work).width > 42 * 16 + 1) wrong.push(`the work column is ${box(work).width} px wide`);

  // one h1, no level left out
  const levels = all("h1, h2, h3, h4").map((heading) => Number(heading.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) wrong.push(`${levels} is not one h1`);
  levels.forEach((level, at) => { if (level > (levels[at - 1] ?? 0) + 1) wrong.push(`the headings ${levels} leave out a level`); });

  // targets of 24 px; a label counts with its field
  for (const element of all("a, button, input:not([type=hidden]), select, textarea").filter(visible)) {
    const target = box(element.closest("label") ?? element);
    if (target.width < 24 || target.height < 24) wrong.push(`${name(element)} is ${Math.round(target.width)} × ${Math.round(target.height)} px`);
  }

  // every field has a name, every id is one, every description exists, every error belongs to a field
  for (const field of all("input:not([type=hidden]), select, textarea")) {
    if (!field.labels?.length && !field.ariaLabel) wrong.push(`${name(field)} has no label`);
  }
  const ids = all("[id]").map((element) => element.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => wrong.push(`#${id} is there twice`));
  for (const element of all("[aria-describedby]")) {
    for (const id of element.getAttribute("aria-describedby").split(" ")) if (!document.getElementById(id)) wrong.push(`#${id} describes, but is not there`);
  }
  for (const error of all(".error[id]")) if (!document.querySelector(`[aria-describedby~="${error.id}"]`)) wrong.push(`#${error.id} belongs to no field`);

  // what people wrote says its language
  for (const text of all(".text, .option .name")) if (!text.closest("main [lang]") && !text.querySelector("[lang]")) wrong.push(`${name(text)} says no language`);

  // one primary button
  const primary = all(".button:not(.second, .danger)").filter(visible);
  if (primary.length > 1) wrong.push(`primary buttons: ${primary.map(name)}`);

  // contrast AA
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [red, green, blue] = channels(colour).map((value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if ((channels(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    if (!words.currentNode.textContent.trim() || !visible(element)) continue;
    const [low, high] = [luminance(getComputedStyle(element).color), luminance(ground(element))].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) wrong.push(`${name(element)} has a contrast of ${ratio.toFixed(2)}`);
  }
  return wrong;
})()
