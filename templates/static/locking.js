// A page at which nobody has done anything for a while covers itself, and is as it was once its owner is back. Whether that is so
// the server says: another tab may have been used.
"use strict";

(() => {
  const cover = document.getElementById("lock");
  const form = cover.querySelector("form");
  const password = form.querySelector("[name=unlock_password]");
  const error = form.querySelector("[role=alert]");
  const door = form.querySelector("a");
  const AGAIN = 30_000; // ms after the server could not be reached
  let timer = 0;

  const later = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(look, ms);
  };

  function lock() {
    if (cover.open) return;
    error.hidden = true;
    cover.showModal();
    password.focus();
  }

  function say(what) {
    error.textContent = what;
    error.hidden = false;
  }

  async function look() {
    try {
      const answer = await fetch("/locked", { headers: { accept: "application/json" } });
      const { locked, ended, seconds } = await answer.json();
      if (locked) lock();
      else if (cover.open) cover.close(); // opened in another tab
      door.hidden = !ended;
      if (ended) say(cover.dataset.ended);
      later(locked ? AGAIN : seconds * 1000);
    } catch {
      later(AGAIN);
    }
  }

  cover.addEventListener("cancel", (event) => event.preventDefault()); // Escape opens nothing
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const answer = await fetch("/unlock", {
        method: "POST", body: new URLSearchParams(new FormData(form)), headers: { accept: "application/json" },
      });
      const told = await answer.json();
      if (told.locked === false) {
        cover.close();
        later(cover.dataset.seconds * 1000);
      } else {
        say(answer.status === 401 ? cover.dataset.wrong : answer.status === 429 ? cover.dataset.many : cover.dataset.failed);
        password.focus();
      }
    } catch {
      say(cover.dataset.failed);
    }
    password.value = "";
  });

  // a computer that slept has not counted
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  later(cover.dataset.seconds * 1000);
})();
