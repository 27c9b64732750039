// What a page does by itself where scripts run. Every page works without this, and nothing here moves what somebody reads.
"use strict";

(() => {
  const PAUSE = 2_000; // ms after the last keystroke
  const AGAIN = 15_000; // ms after a failure
  const KEEPALIVE = 60_000; // bytes a request may have that outlives its page

  // A form with a draft saves itself. Its sentences stand in the page, in the reader's language.
  function saving(note) {
    const form = note.closest("form");
    const status = note.querySelector("[role=status]");
    const door = note.querySelector("a");
    const version = form.elements.namedItem("version");
    const words = () => {
      const data = new FormData(form);
      data.delete("version");
      return new URLSearchParams(data).toString();
    };
    let saved = words();
    let timer = 0;
    let running = null; // the request under way, and the words it carries
    let over = false; // sent, or moved on elsewhere: saved by itself no more

    const say = (state, at = "") => {
      const sentence = (note.getAttribute(`data-${state}`) ?? "").replace("{time}", at);
      if (status.textContent !== sentence) status.textContent = sentence;
      door.hidden = state !== "ended";
    };
    const later = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(save, ms);
    };

    async function save({ last = false } = {}) {
      clearTimeout(timer);
      const now = words();
      if (over || now === saved || (running && (!last || running.words === now))) return;
      const body = new URLSearchParams(new FormData(form)).toString();
      const stop = new AbortController();
      const mine = (running = { stop, words: now });
      try {
        const answer = await fetch(note.dataset.draft, {
          method: "POST",
          body,
          headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
          keepalive: body.length < KEEPALIVE,
          signal: stop.signal,
        });
        const told = [200, 400, 409].includes(answer.status) ? await answer.json() : {};
        if (answer.ok) {
          saved = now;
          version.value = told.version;
          if (told.state === "saved" && note.dataset.reload) history.replaceState(null, "", note.dataset.reload);
        }
        over ||= answer.status === 409;
        say(told.state ?? (answer.status === 401 ? "ended" : "failed"), told.at);
        if (!told.state) later(AGAIN);
      } catch (error) {
        if (error.name === "AbortError") return;
        say("failed");
        later(AGAIN);
      } finally {
        if (running === mine) running = null;
      }
      if (!over && saved === now && words() !== saved) later(PAUSE); // typed on meanwhile
    }

    form.addEventListener("input", () => later(PAUSE));
    form.addEventListener("submit", (event) => {
      const onward = note.dataset.reload && !event.submitter?.hasAttribute("formaction"); // to the next step, not to readers
      if (onward) save({ last: true });
      else running?.stop.abort();
      clearTimeout(timer);
      over = true;
    });
    document.addEventListener("visibilitychange", () => save({ last: document.hidden }));
    for (const leaving of ["beforeunload", "pagehide"]) addEventListener(leaving, () => save({ last: true }));
    addEventListener("pageshow", (event) => { if (event.persisted) over = false; });
  }

  // Ctrl and K lead to the search field. No letter or sign alone does: whoever speaks to her computer would hit it by chance.
  function finding(field) {
    field.setAttribute("aria-keyshortcuts", "Control+K Meta+K");
    document.addEventListener("keydown", (event) => {
      if (event.key !== "k" || event.ctrlKey === event.metaKey || event.altKey || event.shiftKey) return;
      if (document.querySelector("dialog[open]")) return;
      event.preventDefault();
      field.focus();
      field.select();
    });
  }

  document.querySelectorAll("[data-find]").forEach(finding);
  document.querySelectorAll("[data-draft]").forEach(saving);
})();
