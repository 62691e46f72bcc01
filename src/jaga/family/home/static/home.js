// What a script can add; every page works without it. No library, nothing from elsewhere.
"use strict";

// Printing: the button is there only where a script can do it.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

// A form that must not be sent twice by an impatient hand.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent && Date.now() - Number(form.dataset.sent) < 3000) event.preventDefault();
    else form.dataset.sent = String(Date.now());
  });
}

// The first mistake is where the reader should be.
const wrong = document.getElementById("wrong");
if (wrong) { wrong.tabIndex = -1; wrong.focus(); }

// The only script address that is ever made from text (Trusted Types).
const address = "/service-worker.js";
const policy = window.trustedTypes && window.trustedTypes.createPolicy("jaga", { createScriptURL: () => address });
if ("serviceWorker" in navigator && window.isSecureContext) {
  navigator.serviceWorker.register(policy ? policy.createScriptURL("") : address).catch(() => {});
}

// Passkeys (WebAuthn). Browsers take them only under a name, such as localhost, and never under a bare address.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const named = window.isSecureContext && window.PublicKeyCredential && !/^[\d.:[\]]+$/.test(location.hostname);

const send = async (path, csrf, body) => {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json", "x-csrf-token": csrf }, body: JSON.stringify(body || {}) });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
};

const asked = (options) => {
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const one of options.excludeCredentials || options.allowCredentials || []) one.id = bytes(one.id);
  return options;
};

const given = (credential) => {
  const response = {};
  for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[part]) response[part] = text(credential.response[part]);
  }
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response, clientExtensionResults: credential.getClientExtensionResults() };
};

const passkey = document.getElementById("passkey");
if (passkey && named) {
  passkey.hidden = false;
  const button = passkey.querySelector("button");
  button.addEventListener("click", async () => {
    const failed = passkey.querySelector(".error");
    failed.hidden = true;
    try {
      const begun = await send("/login/passkey/begin", passkey.dataset.csrf);
      const credential = await navigator.credentials.get({ publicKey: asked(begun.options) });
      const done = await send("/login/passkey", passkey.dataset.csrf, { ticket: begun.ticket, credential: given(credential), to: passkey.dataset.to });
      location.assign(done.to);
    } catch { failed.hidden = false; failed.focus(); }
  });
}

const adding = document.getElementById("add-passkey");
if (adding) {
  document.getElementById("passkey-scripts").hidden = true;
  const unnamed = document.getElementById("passkey-unnamed");
  if (!named && unnamed) unnamed.hidden = false;
  adding.hidden = !named;
  adding.addEventListener("submit", async (event) => {
    event.preventDefault();
    const failed = adding.querySelector(".error");
    failed.hidden = true;
    const field = (name) => adding.elements[name].value;
    try {
      const begun = await send("/account/passkey/begin", field("csrf"), { passphrase: field("passphrase") });
      const credential = await navigator.credentials.create({ publicKey: asked(begun.options) });
      await send("/account/passkey", field("csrf"), { ticket: begun.ticket, credential: given(credential), name: field("name") });
      location.assign("/account");
    } catch { delete adding.dataset.sent; failed.hidden = false; }
  });
}
