// On every page: the theme button, and the websocket that keeps prices and stock up to date.
// The page sets `appDomain` and `pageTick`: every URL that a script builds begins with appDomain.
"use strict";

const components = new Map(); // id -> {name, price, stock, ...}, kept up to date

function euros(cents) {
  const [whole, rest] = (cents / 100).toFixed(2).split(".");
  return "€" + whole.replace(/\B(?=(\d{3})+$)/g, ",") + "." + rest;
}

function setUpTheme() {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  });
}

function showState(state, text) {
  const live = document.getElementById("live");
  if (live.dataset.state !== state) {
    live.dataset.state = state;
    document.getElementById("live-text").textContent = text;
  }
}

function flash(element, move) {
  element.classList.remove("up", "down");
  if (move !== 0) {
    void element.offsetWidth; // start the animation again
    element.classList.add(move > 0 ? "up" : "down");
  }
}

function showChange(change) {
  Object.assign(components.get(change.id) ?? {}, { price: change.price, stock: change.stock });
  for (const element of document.querySelectorAll(`[data-price-of="${change.id}"]`)) {
    element.textContent = euros(change.price);
    flash(element, change.move);
    const cell = element.closest("[data-value]");
    if (cell) cell.dataset.value = change.price;
  }
  for (const element of document.querySelectorAll(`[data-stock-of="${change.id}"]`)) {
    element.textContent = change.stock;
  }
}

function sumOf(ids) {
  return ids.split(" ").reduce((sum, id) => sum + components.get(id).price, 0);
}

function showSums() {
  if (components.size === 0) return;
  for (const element of document.querySelectorAll("[data-sum-of]")) {
    element.textContent = euros(sumOf(element.dataset.sumOf));
  }
}

function announce(changes) {
  showSums();
  document.dispatchEvent(new CustomEvent("prices", { detail: changes }));
}

// Request all prices once, then listen for changes.
async function start() {
  setUpTheme();
  let tick = pageTick;
  try {
    const answer = await (await fetch(appDomain + "/api/components")).json();
    for (const component of answer.components) {
      components.set(component.id, component);
      showChange({ ...component, move: 0 });
    }
    tick = answer.tick;
    announce([]);
  } finally {
    connect(tick, 0);
  }
}

// The page sends the tick of the prices that it shows; the server answers with the changes since.
function connect(tick, attempt) {
  const scheme = location.protocol === "https:" ? "wss://" : "ws://";
  const socket = new WebSocket(scheme + location.host + appDomain + "/ws?tick=" + tick);

  socket.addEventListener("open", () => {
    attempt = 0;
    showState("on", "Live");
  });
  socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.type !== "prices") return;
    tick = message.tick;
    message.changes.forEach(showChange);
    announce(message.changes);
  });
  socket.addEventListener("close", () => {
    showState("off", "Reconnecting");
    const seconds = Math.min(30, 2 ** attempt) * (0.5 + Math.random());
    setTimeout(connect, seconds * 1000, tick, attempt + 1);
  });
}

start();
