// Dropping files and folders onto the page, and how far sending is. Without it the same form works by itself.
"use strict";
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
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      const share = Math.floor((100 * event.loaded) / event.total);
      bar.value = share;
      words.textContent = share < 100 ? form.dataset.sending.replace("{share}", share) : form.dataset.sent;
    });
    request.addEventListener("load", () => {
      if (request.status < 400) {
        location.assign("/sources#imports");
        location.reload();
        return;
      }
      // The server answers with the page, which says what was wrong.
      const answer = new DOMParser().parseFromString(request.responseText, "text/html").querySelector("[role=alert]");
      bar.hidden = true;
      words.textContent = answer ? answer.textContent : form.dataset.failed;
    });
    request.addEventListener("error", () => {
      bar.hidden = true;
      words.textContent = form.dataset.failed;
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
    const entries = [...event.dataTransfer.items].map((one) => one.webkitGetAsEntry && one.webkitGetAsEntry());
    const files = [];
    for (const entry of entries) if (entry) await walk(entry, files);
    if (files.length) send(files);
  });
})();
