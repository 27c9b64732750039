// What is wrong with the page that is open and axe-core does not say, as a list of sentences; the tests want an empty one.
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

  // the open tab is in sight; only a line that tells of new posts may be drawn sideways
  for (const tab of all(".tabs:not(:has(.news)) [aria-current]").filter(visible)) if (box(tab).right > innerWidth) wrong.push(`${name(tab)} is out of sight`);

  // no two places are called the same
  const places = all(".places a:not(.draft)").map((place) => place.firstChild.textContent.trim());
  places.filter((place, at) => places.indexOf(place) !== at).forEach((place) => wrong.push(`two places are called “${place}”`));

  // one h1
  if (all("h1").length !== 1) wrong.push(`there are ${all("h1").length} h1`);

  // targets of 24 px; a label counts with its field
  for (const element of all("a, button, input:not([type=hidden]), select, textarea").filter(visible)) {
    const target = box(element.closest("label") ?? element);
    if (target.width < 24 || target.height < 24) wrong.push(`${name(element)} is ${Math.round(target.width)} × ${Math.round(target.height)} px`);
  }

  // every id is one, every description exists, every error belongs to a field
  const ids = all("[id]").map((element) => element.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => wrong.push(`#${id} is there twice`));
  for (const element of all("[aria-describedby]")) {
    for (const id of element.getAttribute("aria-describedby").split(" ")) if (!document.getElementById(id)) wrong.push(`#${id} describes, but is not there`);
  }
  for (const error of all(".error[id]")) if (!document.querySelector(`[aria-describedby~="${error.id}"]`)) wrong.push(`#${error.id} belongs to no field`);

  // what people wrote says its language
  for (const text of all(".text, .option .name")) if (!text.closest("main [lang]") && !text.querySelector("[lang]")) wrong.push(`${name(text)} says no language`);

  // one primary button; what is under an open dialog is covered
  const primary = all(".button:not(.second, .danger)", document.querySelector("dialog:modal") ?? document).filter(visible);
  if (primary.length > 1) wrong.push(`primary buttons: ${primary.map(name)}`);

  // whatever can have the focus shows it, a choice by the line around it
  const before = document.activeElement;
  for (const element of all("a, button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']").filter(visible)) {
    element.focus({preventScroll: true});
    const shown = [element, element.closest("label.option")].some((around) => around
      && getComputedStyle(around).outlineStyle !== "none" && parseFloat(getComputedStyle(around).outlineWidth) >= 2);
    if (document.activeElement === element && !shown) wrong.push(`${name(element)} does not show the focus`);
  }
  if (before === document.body) document.activeElement.blur(); else before.focus({preventScroll: true});
  return wrong;
})()
