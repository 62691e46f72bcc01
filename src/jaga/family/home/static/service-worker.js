// Keeps the look, the icons and the scripts, so that the app opens at once. Never a page: what a page says stays on this machine's server.
"use strict";

const STORE = "jaga-static-VERSION";
const FILES = ["/static/home.css", "/static/home.js", "/static/icon.svg", "/static/icon-192.png"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(STORE).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((name) => name !== STORE).map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin || !url.pathname.startsWith("/static/")) return;
  // The network first: after an upgrade the new look is there at once; what was kept helps only while the server is away.
  event.respondWith(
    fetch(event.request)
      .then((answer) => {
        if (answer.ok) { const copy = answer.clone(); caches.open(STORE).then((cache) => cache.put(event.request, copy)); }
        return answer;
      })
      .catch(() => caches.match(event.request).then((kept) => kept || Response.error())),
  );
});
