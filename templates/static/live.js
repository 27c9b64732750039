// An open page hears how much is new and says so in its title, beside its places and behind a link. Nothing moves that somebody
// reads, but for advice that was corrected; and every page works without this.
"use strict";

(() => {
  const LOOK = 60_000; // ms between two looks where nothing is heard
  const MANY = 20;
  const words = document.currentScript.dataset;
  const title = document.title;
  const line = document.querySelector("[data-live]");
  const link = line?.querySelector("a");
  const pressed = document.querySelector("[data-pressing]");
  let source = null;
  let signedOut = false;

  const said = (count) => (count > MANY ? `${MANY}+` : count);

  function show(counts) {
    const { new: fresh = 0, unread, consults, pressing } = counts;
    document.title = fresh ? `(${said(fresh)}) ${title}` : title;
    if (link) {
      if (fresh) link.textContent = (fresh === 1 ? line.dataset.one : line.dataset.many).replace("{n}", said(fresh));
      link.hidden = !fresh;
    }
    if (pressed && pressing !== undefined) pressed.hidden = !pressing;
    for (const [path, count] of [["/notifications", unread], ["/consults", consults]]) {
      if (count === undefined) continue;
      for (const place of document.querySelectorAll(`nav a[href="${path}"]`)) beside(place, count);
    }
  }

  function beside(place, count) {
    place.querySelector(".count")?.remove();
    if (!count) return;
    const number = document.createElement("span");
    const what = document.createElement("span");
    number.className = "count";
    what.className = "unseen";
    what.textContent = words.unread;
    number.append(count < 100 ? `${count} ` : "99+ ", what);
    if (!/\s$/.test(place.textContent)) place.append(" ");
    place.append(number);
  }

  function open() {
    if (source || signedOut || !window.EventSource) return;
    const mine = (source = new EventSource(`/live?${line?.dataset.live ?? ""}`));
    mine.onmessage = (event) => show(JSON.parse(event.data));
    mine.onerror = () => { if (mine.readyState === EventSource.CLOSED) close(); };
    for (const ending of ["over", "enough"]) mine.addEventListener(ending, close); // till somebody looks at this page again
  }

  function close() {
    source?.close();
    source = null;
  }

  // Where nothing is heard, the page asks once in a while.
  async function look() {
    if (source || signedOut || document.hidden) return;
    if (line?.dataset.new) {
      try {
        const answer = await fetch(line.dataset.new, { headers: { accept: "application/json" }, redirect: "manual" });
        signedOut = answer.type === "opaqueredirect" || answer.status === 403;
        if (answer.ok) show({ new: (await answer.json()).count });
      } catch { /* the next look may find the server again */ }
    }
    open();
  }

  navigator.serviceWorker?.register("/sw.js").catch(() => {}); // a page for when there is no network, and signs
  if (line) line.hidden = false;
  setInterval(look, LOOK);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) open(); });
  document.getElementById("lock")?.addEventListener("close", open);
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  open();
})();
