// Passkeys: what a form asks for is made or signed by the browser and sent with the form, as any other field.
"use strict";

(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const descriptors = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

  async function made(options) {
    const user = { ...options.user, id: bytes(options.user.id) };
    const publicKey = { ...options, challenge: bytes(options.challenge), user, excludeCredentials: descriptors(options.excludeCredentials) };
    const found = await navigator.credentials.create({ publicKey });
    const { attestationObject, clientDataJSON } = found.response;
    return [found, { attestationObject: text(attestationObject), clientDataJSON: text(clientDataJSON) }];
  }

  async function signed(options) {
    const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: descriptors(options.allowCredentials) };
    const found = await navigator.credentials.get({ publicKey });
    const { authenticatorData, clientDataJSON, signature, userHandle } = found.response;
    return [found, {
      authenticatorData: text(authenticatorData), clientDataJSON: text(clientDataJSON), signature: text(signature),
      userHandle: userHandle ? text(userHandle) : null,
    }];
  }

  function asking(part) {
    const form = part.closest("form");
    const field = form.querySelector("[name$=passkey]");
    const button = part.matches("form") ? form.querySelector("button") : part;
    const error = form.querySelector("[role=alert][hidden], .error[hidden]");
    part.hidden = false;

    button.addEventListener("click", async (event) => {
      if (field.value) return; // made already: it is being sent
      event.preventDefault();
      if (part.dataset.passkey === "create" && !form.reportValidity()) return;
      button.disabled = true;
      try {
        const options = JSON.parse(part.dataset.options);
        const [found, response] = await (part.dataset.passkey === "create" ? made(options) : signed(options));
        field.value = JSON.stringify({ id: found.id, rawId: text(found.rawId), type: found.type, response });
        form.noValidate = true; // where the other way is in the same form
        button.disabled = false;
        form.requestSubmit(button);
      } catch (trouble) {
        console.info(trouble.name);
        button.disabled = false;
        if (error) {
          error.textContent = part.dataset.failed;
          error.hidden = false;
        }
      }
    });
  }

  if (window.PublicKeyCredential) document.querySelectorAll("[data-passkey]").forEach(asking);
})();
