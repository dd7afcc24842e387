/* Uploads of the dataset page: files, folders and zips, dropped or chosen, in batches that can be sent again. An upload
   goes on while its dialog is closed. Files are kept by the server until they are imported or given up. */
(() => {
  "use strict";
  const MAX_FILES = 500;
  const BATCH_BYTES = 32 * 1024 * 1024;
  const BYTES_PER_PART = 1024; /* what the form adds to each file */
  const JUNK = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$|desktop\.ini$)/i;
  const UNPLAIN = /[<>:"|?*\\]/; /* what no file name on every system may hold; the server refuses it */
  const byId = (id) => document.getElementById(id);
  const form = () => byId("check-form");
  let upload = null;

  const size = (bytes) => {
    const units = ["bytes", "KiB", "MiB", "GiB"];
    let value = bytes;
    let unit = 0;
    while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
    return `${value.toFixed(unit && value < 100 ? 1 : 0)} ${units[unit]}`;
  };
  const time = (seconds) => (seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`);
  const plural = (number) => `${number.toLocaleString("en")} ${number === 1 ? "file" : "files"}`;

  /* Folders that are dropped are walked; what their entries call a path becomes the name of the file. */
  const readAll = async (reader) => {
    const all = [];
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return all;
      all.push(...some);
    }
  };
  const walk = async (entry, found) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ name: entry.fullPath.replace(/^\//, ""), file });
    } else if (entry.isDirectory) {
      for (const inner of await readAll(entry.createReader())) await walk(inner, found);
    }
  };
  const filesOfDrop = async (transfer) => {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.length) return [...transfer.files].map((file) => ({ name: file.name, file }));
    const found = [];
    for (const entry of entries) await walk(entry, found);
    return found;
  };

  const sayUnplain = (names) => {
    if (!names.length) return "";
    const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
    return `${plural(names.length)} skipped, because names cannot contain any of <>:"|?*\\ here: ${names.slice(0, 3).join(", ")}${more}. Rename them, or enter the folder's path on the server.`;
  };
  const refusal = (files, maxBytes) => {
    if (!files.length) return "This folder contains no files.";
    const zips = files.filter(({ name }) => /\.zip$/i.test(name));
    if (zips.length && files.length > 1) return "Drop one zip file, or images and folders, not both.";
    const large = files.find(({ file }) => file.size + BYTES_PER_PART > maxBytes);
    if (!large) return "";
    const hint = zips.length ? "Unzip it and drop the folder" : "Leave it out";
    return `${large.name} is ${size(large.file.size)}; the limit is ${size(maxBytes)} per file. ${hint}, or enter its path on the server.`;
  };
  const makeBatches = (files, maxBytes) => {
    const limit = Math.min(BATCH_BYTES, maxBytes);
    const batches = [];
    let batch = [];
    let bytes = 0;
    for (const item of files) {
      const more = item.file.size + BYTES_PER_PART + item.name.length * 3;
      if (batch.length && (batch.length >= MAX_FILES || bytes + more > limit)) { batches.push(batch); batch = []; bytes = 0; }
      batch.push(item);
      bytes += more;
    }
    return [...batches, batch].map((files) => ({ files, bytes: files.reduce((sum, { file }) => sum + file.size, 0) }));
  };

  /* What is shown: in the dialog, and in a line of the page while the dialog is closed. */
  const show = () => {
    const status = form().querySelector("[data-upload-status]");
    const strip = byId("upload-strip");
    status.hidden = !upload;
    strip.hidden = !upload || byId("import-dialog").open || upload.state === "used";
    form().querySelector("[data-check]").toggleAttribute("data-waits", !upload?.id);
    if (!upload) return;
    const { state, sent, total, files, failure } = upload;
    const bar = byId("upload-progress");
    const isDone = state === "done";
    const elapsed = (performance.now() - upload.startedAt) / 1000;
    const speed = elapsed > 0.5 ? (sent - upload.sentAtStart) / elapsed : 0;
    const pace = state === "sending" && speed > 0 ? `, ${size(speed)}/s, ${time((total - sent) / speed)} left` : "";
    /* Full only when every batch was answered: before that the server still writes the last one. */
    bar.querySelector("progress").value = isDone ? 100 : Math.min(99, Math.floor(100 * sent / Math.max(1, total)));
    bar.querySelector(".progress__label").textContent = isDone ? `${plural(files.length)} uploaded` : state === "failed" ? "Upload failed" : `Uploading ${plural(files.length)}`;
    const words = isDone ? size(total) : `${size(sent)} of ${size(total)}${pace}`;
    bar.querySelector("[data-upload-text]").textContent = words;
    /* Read aloud now and then, not with every packet. */
    if (isDone || state === "failed" || performance.now() - (upload.saidAt || 0) > 5000) { bar.querySelector("[data-upload-said]").textContent = words; upload.saidAt = performance.now(); }
    const skipped = form().querySelector("[data-upload-skipped]");
    skipped.textContent = upload.skipped;
    skipped.hidden = !upload.skipped;
    const error = form().querySelector("[data-upload-error]");
    error.hidden = state !== "failed";
    error.textContent = state === "failed" ? failure : "";
    form().querySelector("[data-upload-retry]").hidden = state !== "failed";
    form().querySelector("[data-upload-cancel]").textContent = isDone ? "Remove upload" : "Cancel upload";
    strip.querySelector("[data-upload-strip-text]").textContent = isDone ? "Upload complete. The import has not started yet." : state === "failed" ? "Upload failed." : `Uploading: ${size(sent)} of ${size(total)}`;
  };

  const sendBatch = (batch) => new Promise((resolve, reject) => {
    const body = new FormData();
    body.append("final", "false");
    if (upload.id) body.append("upload_id", upload.id);
    for (const { name, file } of batch.files) body.append("files", file, name);
    const xhr = new XMLHttpRequest();
    const before = upload.sent;
    upload.xhr = xhr;
    xhr.open("POST", form().dataset.uploadUrl);
    xhr.setRequestHeader("Accept", "application/json");
    xhr.upload.addEventListener("progress", (event) => { if (event.total) upload.sent = before + Math.floor(batch.bytes * event.loaded / event.total); show(); });
    xhr.addEventListener("load", () => {
      if (xhr.status < 400) { upload.sent = before + batch.bytes; resolve(JSON.parse(xhr.responseText).data); return; }
      upload.sent = before;
      reject(new Error(Studio.problemText(Studio.readProblem(xhr))));
    });
    xhr.addEventListener("error", () => { upload.sent = before; reject(new Error("The server is not responding. Try again to send the rest; the files sent so far are kept.")); });
    xhr.addEventListener("abort", () => reject(new Error("aborted")));
    xhr.send(body);
  });
  const send = async () => {
    const mine = upload;
    Studio.clearErrors(form());
    Object.assign(upload, { state: "sending", startedAt: performance.now(), sentAtStart: upload.sent });
    show();
    try {
      while (upload === mine && mine.next < mine.batches.length) {
        const answer = await sendBatch(mine.batches[mine.next]);
        if (upload !== mine) { giveUp(answer.upload_id); return; }
        mine.id = answer.upload_id;
        mine.next += 1;
      }
    } catch (error) {
      if (upload !== mine) return;
      Object.assign(mine, { state: "failed", failure: error.message });
      show();
      return;
    }
    mine.state = "done";
    form().elements.upload_id.value = mine.id;
    show();
    form().requestSubmit();
  };
  const giveUp = (id) => { if (id) fetch(`${form().dataset.uploadUrl}/${id}`, { method: "DELETE", headers: { Accept: "application/json" } }).catch(() => {}); };
  const cancel = () => {
    const old = upload;
    upload = null;
    old?.xhr?.abort();
    giveUp(old?.id);
    Studio.clearErrors(form());
    form().elements.upload_id.value = "";
    Studio.importReport.forget(true);
    show();
  };
  const begin = (files) => {
    const real = files.filter(({ name }) => !JUNK.test(name));
    const wanted = real.filter(({ name }) => !UNPLAIN.test(name));
    const unplain = real.filter(({ name }) => UNPLAIN.test(name)).map(({ name }) => name);
    const maxBytes = Number(form().dataset.maxBytes);
    const problem = !wanted.length && unplain.length ? sayUnplain(unplain) : refusal(wanted, maxBytes - 8192);
    if (problem) { Studio.toast({ kind: "error", text: problem }); return; }
    if (upload) cancel();
    choose("upload");
    Studio.importReport.forget(true);
    const batches = makeBatches(wanted, maxBytes - 8192);
    upload = { files: wanted, batches, total: batches.reduce((sum, batch) => sum + batch.bytes, 0), sent: 0, next: 0, id: "", skipped: sayUnplain(unplain) };
    send();
  };

  /* Upload or a path: the fields of the other are disabled, so that the form sends one of the two. */
  const choose = (source) => {
    for (const radio of document.querySelectorAll("[data-source-choice]")) radio.checked = radio.value === source;
    for (const part of form().querySelectorAll("[data-source]")) {
      part.hidden = part.dataset.source !== source;
      for (const input of part.querySelectorAll("[name]")) input.disabled = part.hidden;
    }
  };
  const canImport = () => byId("dataset-content").dataset.state === "empty";
  const whyNot = () => (byId("dataset-content").dataset.state === "importing"
    ? "An import is already running. Cancel it first."
    : "This project already has a dataset. Clear it to import other images.");
  const take = async (transfer) => {
    const files = filesOfDrop(transfer); /* the list is gone after the event, so it is read at once */
    if (!byId("import-dialog").open) Studio.openDialog("import-dialog");
    begin(await files);
  };

  document.addEventListener("change", (event) => {
    const input = event.target;
    if (input.matches?.("[data-source-choice]")) { choose(input.value); Studio.clearErrors(form()); Studio.importReport.forget(true); }
    if (!input.matches?.("[data-upload-files], [data-upload-folder]") || !input.files.length) return;
    begin([...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file })));
    input.value = "";
  });
  /* While files are dragged over the window, the page shows where they can be dropped. */
  const markDrag = (isOver) => document.documentElement.classList.toggle("is-dragging-files", isOver);
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      if (!hasFiles(event)) return;
      const takes = canImport();
      event.dataTransfer.dropEffect = takes ? "copy" : "none";
      markDrag(takes);
    });
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) markDrag(false); });
  for (const name of ["drop", "dragend"]) document.addEventListener(name, () => markDrag(false));
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (!event.target.closest(".file-drop") && !canImport()) { Studio.toast({ kind: "info", text: whyNot() }); return; }
    take(event.dataTransfer);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-choose-folder]")) form().querySelector("[data-upload-folder]").click();
    if (event.target.closest("[data-upload-cancel]")) cancel();
    if (event.target.closest("[data-upload-retry]")) send();
  });
  /* The form is also sent by its button: without a finished upload there is nothing to look at. */
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "check-form" || !form().querySelector('[data-source="local"]').hidden) return;
    if (upload?.state === "done") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const text = upload ? "Wait until the upload is complete." : "Drop or choose files first.";
    Studio.showProblem(form(), { message: text, details: [] });
  }, true);
  document.addEventListener("dialog:open", show);
  document.addEventListener("dialog:close", show);
  window.addEventListener("beforeunload", (event) => { if (upload?.state === "sending") event.preventDefault(); });
  document.addEventListener("DOMContentLoaded", () => {
    choose("upload");
    document.body.addEventListener("import-begun", () => { upload = null; form().elements.upload_id.value = ""; choose("upload"); show(); });
  });
})();
