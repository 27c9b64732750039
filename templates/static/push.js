// Whether this browser shows a sign when something is new. It needs a script, a worker and the browser's leave.
"use strict";

(() => {
  const { key, me } = document.currentScript.dataset;
  const OWNER = "konsil-push"; // by which a browser knows whether she who signs in is she who wanted it
  const DONE = "konsil-push-done";
  const box = document.getElementById("push");
  const possible = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const letters = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  async function send(path, fields = {}) {
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields), headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error((await answer.json()).title);
  }

  async function subscribed() {
    const registration = await navigator.serviceWorker.ready;
    return (await registration.pushManager.getSubscription())
      ?? registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
  }

  async function tell() {
    const found = await subscribed();
    await send("/settings/push",
      { endpoint: found.endpoint, key: letters(found.getKey("p256dh")), secret: letters(found.getKey("auth")) });
    sessionStorage.setItem(DONE, me);
    localStorage.setItem(OWNER, me);
  }

  async function stop() {
    await send("/settings/push/remove");
    localStorage.removeItem(OWNER);
    const registration = await navigator.serviceWorker.ready;
    await (await registration.pushManager.getSubscription())?.unsubscribe();
  }

  // Whoever has wanted it in this browser is told again after she has signed in anew; nobody else is.
  if (possible && Notification.permission === "granted" && localStorage.getItem(OWNER) === me && sessionStorage.getItem(DONE) !== me)
    tell().catch(() => {});

  if (!box) return;
  const [on, off] = box.querySelectorAll("button");
  const status = box.querySelector("[role=status]");
  const say = (what) => { status.textContent = what; };

  function show(isOn) {
    on.hidden = isOn || !possible;
    off.hidden = !isOn;
    say(possible ? box.dataset[isOn ? "on" : "off"] : box.dataset.impossible);
  }

  on.addEventListener("click", async () => {
    if (await Notification.requestPermission() !== "granted") return say(box.dataset.denied);
    try {
      await tell();
      show(true);
    } catch (error) {
      say(error.message || box.dataset.failed);
    }
  });
  off.addEventListener("click", async () => {
    try {
      await stop();
      show(false);
    } catch (error) {
      say(error.message || box.dataset.failed);
    }
  });
  show(box.dataset.told === "1");
})();
