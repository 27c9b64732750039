// Keeps the style sheet, the icon and one page that says there is no connection; shows signs that something is new. No page with
// anything on it is ever kept: what is not in the list below is not stored, whatever is asked for.
"use strict";

const CACHE = "konsil-{state}";
const OFFLINE = "/offline";
const KEPT = [OFFLINE, "/static/konsil.css", "/static/icon.svg"];

addEventListener("install", (event) => {
  const asked = KEPT.map((path) => new Request(path, { credentials: "omit", cache: "reload" })); // as anybody sees them
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(asked)).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  const old = (names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(old).then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  const instead = request.mode === "navigate" ? OFFLINE : pathname.startsWith("/static/") && KEPT.includes(pathname) && pathname;
  if (instead) event.respondWith(fetch(request).catch(() => caches.match(instead).then((kept) => kept ?? Response.error())));
});

addEventListener("push", (event) => {
  const { title, body, url } = event.data.json();
  event.waitUntil(registration.showNotification(title, { body, tag: "konsil", icon: "/static/icon-192.png", data: url }));
});

addEventListener("notificationclick", (event) => {
  event.notification.close();
  const place = event.notification.data;
  const show = (open) => {
    const there = open.find((one) => new URL(one.url).pathname === place);
    return there ? there.focus() : clients.openWindow(place);
  };
  event.waitUntil(clients.matchAll({ type: "window" }).then(show));
});
