// What the pages can do better with JavaScript. Everything works without.
"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const say = (text) => { document.getElementById("announcer").textContent = text; };

// Theme: a cookie, so that the server draws the next page right from its first byte.
function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme() {
  const chosen = document.cookie.match(/(?:^|; )theme=(light|dark)/);
  if (chosen) document.documentElement.dataset.theme = chosen[1];
  all("[data-theme-switch]").forEach((button) => button.setAttribute("aria-pressed", dark()));
}

function switchTheme() {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${dark() ? "light" : "dark"}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  showTheme();
}

// Times in the reader's own zone.
function localTimes(root) {
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
  const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  all("time[datetime]", root).forEach((time) => {
    const moment = new Date(time.dateTime);
    time.title = exact.format(moment);
    if ("exact" in time.dataset) time.textContent = short.format(moment);
  });
}

async function copy(button) {
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  const label = button.querySelector("[data-label]");
  const before = label.textContent;
  label.textContent = "Copied";
  say("Copied");
  setTimeout(() => { label.textContent = before; }, 1600);
}

// A value outside what training saw is allowed, and worth a second look.
function lookAt(input) {
  const hint = document.getElementById(`${input.id}-hint`);
  const value = Number(input.value);
  const known = input.value.trim() !== "" && !Number.isNaN(value);
  const outside = known && (value < Number(input.dataset.seenLow) || value > Number(input.dataset.seenHigh));
  if (hint) hint.classList.toggle("unusual", outside);
}

// An image too large to send is drawn smaller: no model reads it at that size.
const LARGEST_BYTES = 700_000;
const LARGEST_SIDE = 1024;

async function smaller(file) {
  if (file.size <= LARGEST_BYTES) return file;
  const image = await createImageBitmap(file);
  const scale = Math.min(1, LARGEST_SIDE / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => { canvas.toBlob(done, "image/jpeg", 0.9); });
  return new File([blob], file.name.replace(/\.\w+$/, ".jpg"), { type: "image/jpeg" });
}

async function showImage(input) {
  const box = input.closest(".picture");
  const [chosen] = input.files;
  if (!chosen) return;
  try {
    const file = await smaller(chosen);
    if (file !== chosen) {
      const transfer = new DataTransfer();
      transfer.items.add(file);
      input.files = transfer.files;
    }
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      const image = document.createElement("img");
      image.alt = "The chosen image";
      image.src = reader.result;
      box.querySelector(".thumb").replaceChildren(image);
    });
    reader.readAsDataURL(file);
  } catch {
    say("This file cannot be shown; the server will say whether it is an image.");
  }
}

function dropImages(box) {
  const input = box.querySelector("input[type=file]");
  const over = (on) => (event) => { event.preventDefault(); box.classList.toggle("over", on); };
  box.addEventListener("dragover", over(true));
  box.addEventListener("dragleave", over(false));
  box.addEventListener("drop", (event) => {
    over(false)(event);
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    showImage(input);
  });
}

// Choosing many: one box for all, and the number on the button.
function countPicks(form) {
  const picks = all("input[name=id]", form);
  const chosen = picks.filter((pick) => pick.checked).length;
  const every = form.querySelector("[data-pick-all]");
  every.checked = chosen > 0 && chosen === picks.length;
  every.indeterminate = chosen > 0 && chosen < picks.length;
  const button = form.querySelector("[data-needs-pick]");
  button.disabled = chosen === 0;
  button.querySelector("[data-label]").textContent = chosen ? `Delete ${chosen}` : "Delete";
}

function busy(form, on) {
  all("button[data-busy]", form).forEach((button) => {
    button.setAttribute("aria-busy", on);
    const label = button.querySelector("[data-label]");
    if (on) {
      button.dataset.label = label.textContent;
      label.textContent = button.dataset.busy;
    } else if (button.dataset.label) {
      label.textContent = button.dataset.label;
    }
  });
}

function prepare(root) {
  all("[data-js]", root).forEach((element) => { element.hidden = false; });
  all("[data-seen-low]", root).forEach(lookAt);
  all(".picture", root).forEach(dropImages);
  all("form[data-picks]", root).forEach(countPicks);
  localTimes(root);
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("button");
  if (target?.matches("[data-theme-switch]")) switchTheme();
  if (target?.dataset.copy) copy(target);
  if (target?.matches("[data-keys]")) document.getElementById("keys").showModal();
  all("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-seen-low]")) lookAt(event.target);
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-picks]");
  if (event.target.matches(".picture input[type=file]")) showImage(event.target);
  if (!form) return;
  if (event.target.matches("[data-pick-all]")) {
    all("input[name=id]", form).forEach((pick) => { pick.checked = event.target.checked; });
  }
  countPicks(form);
});

document.addEventListener("submit", (event) => {
  if (event.target.ariaBusy === "true") {
    event.preventDefault();
    return;
  }
  if (event.target.querySelector("button[data-busy]")) {
    event.target.ariaBusy = "true";
    busy(event.target, true);
  }
});

// A page that comes back from the browser's memory is ready again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  showTheme();
  all("form[aria-busy=true]").forEach((form) => { form.ariaBusy = "false"; busy(form, false); });
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, dialog");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const form = event.target.closest("form[data-run]") ?? document.querySelector("form[data-run]");
    form?.requestSubmit();
  } else if (event.key === "Escape") {
    const menu = document.querySelector("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  } else if (!typing && event.key === "/") {
    const search = document.querySelector("[data-search]");
    if (search) { event.preventDefault(); search.focus(); }
  } else if (!typing && event.key === "?") {
    document.getElementById("keys").showModal();
  }
});

document.addEventListener("htmx:after:swap", () => {
  prepare(document);
  const news = document.querySelector("[data-announce]");
  if (news && news.dataset.announce !== document.body.dataset.announced) {
    document.body.dataset.announced = news.dataset.announce;
    document.title = news.dataset.title ?? document.title;
    say(news.dataset.announce);
  }
});

showTheme();
prepare(document);
