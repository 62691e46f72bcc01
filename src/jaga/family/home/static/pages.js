// Dropping files and folders onto the page, and how far sending is. Without it the same form works by itself.
"use strict";
// What is being read right now: the list is asked for again until nothing is.
const again = () => {
  const list = document.querySelector("#list[data-again]");
  if (!list) return;
  const request = new XMLHttpRequest();
  request.open("GET", list.dataset.again);
  request.responseType = "document";
  request.addEventListener("load", () => {
    const newer = request.status === 200 && request.response && request.response.getElementById("list");
    // Whoever stands on a link in it is not thrown out of it.
    if (newer && !list.contains(document.activeElement)) list.replaceWith(document.adoptNode(newer));
    setTimeout(again, 2000);
  });
  request.addEventListener("error", () => setTimeout(again, 10000));
  request.send();
};
setTimeout(again, 2000);

(() => {
  const form = document.getElementById("bring-form");
  if (!form) return;
  const zone = document.getElementById("drop");
  const bar = document.getElementById("sending");
  const words = document.getElementById("sending-words");
  zone.querySelector(".drop-hint").hidden = false;

  const send = (files) => {
    const data = new FormData();
    // In this order: the token has to be known before the first file.
    data.append("csrf", form.elements.csrf.value);
    data.append("child", form.elements.child.value);
    for (const { file, name } of files) data.append("files", file, name);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    // The browser takes the answer apart; nothing in it runs, and the page's policy lets no script do that from text.
    request.responseType = "document";
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      const share = Math.floor((100 * event.loaded) / event.total);
      bar.value = share;
      words.textContent = share < 100 ? form.dataset.saySending.replace("{share}", share) : form.dataset.saySent;
    });
    request.addEventListener("load", () => {
      if (request.status < 400) {
        location.assign("/sources#imports");
        location.reload();
        return;
      }
      // The server answers with the page, which says what was wrong.
      const answer = request.response && request.response.querySelector("[role=alert]");
      delete form.dataset.sent;
      bar.hidden = true;
      words.textContent = answer ? answer.textContent : form.dataset.sayFailed;
    });
    request.addEventListener("error", () => {
      delete form.dataset.sent;
      bar.hidden = true;
      words.textContent = form.dataset.sayFailed;
    });
    bar.hidden = false;
    bar.value = 0;
    request.send(data);
  };

  form.addEventListener("submit", (event) => {
    const files = [];
    for (const input of form.querySelectorAll("input[type=file]")) {
      for (const file of input.files) files.push({ file, name: file.webkitRelativePath || file.name });
    }
    if (!files.length) return;
    event.preventDefault();
    send(files);
  });

  const walk = (entry, files) =>
    new Promise((done) => {
      if (entry.isFile) {
        entry.file((file) => {
          files.push({ file, name: entry.fullPath.replace(/^\//, "") });
          done();
        }, done);
        return;
      }
      const reader = entry.createReader();
      const more = () =>
        reader.readEntries(async (entries) => {
          if (!entries.length) return done();
          for (const one of entries) await walk(one, files);
          more();
        }, done);
      more();
    });

  for (const kind of ["dragenter", "dragover"]) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    // Both have to be asked for before the first wait: afterwards the event gives nothing more.
    const dropped = [...event.dataTransfer.items].map((one) => [
      one.webkitGetAsEntry ? one.webkitGetAsEntry() : null,
      one.getAsFile(),
    ]);
    const files = [];
    for (const [entry, file] of dropped) {
      if (entry) await walk(entry, files);
      else if (file) files.push({ file, name: file.name });
    }
    if (files.length) send(files);
  });
})();
