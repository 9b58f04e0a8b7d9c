// The builder: after each choice the server returns the price of the build and whether it fits.
"use strict";

const builder = document.getElementById("builder");
const surprise = document.getElementById("surprise");
let asked = 0;

function chosenParts() {
  const parts = new URLSearchParams();
  for (const [slot, part] of new FormData(builder)) {
    if (part) parts.set(slot, part);
  }
  return parts;
}

function listItems(hints) {
  return hints.map((hint) => {
    const item = document.createElement("li");
    item.className = hint.level;
    item.textContent = hint.text;
    return item;
  });
}

function showBuild(build, empty) {
  document.getElementById("total").textContent = euros(build.total);
  document.getElementById("watts").textContent = build.watts + " W";
  document.getElementById("meter").value = build.watts;
  document.getElementById("hints").replaceChildren(...listItems(build.hints));
  document.getElementById("missing").textContent = empty
    ? "Nothing chosen yet. Start with the processor."
    : build.missing.length
      ? "Still open: " + build.missing.join(", ")
      : "";
}

async function askServer() {
  const parts = chosenParts();
  const number = ++asked;
  const answer = await fetch(appDomain + "/api/build?" + parts);
  const build = await answer.json();
  if (number === asked) showBuild(build, parts.toString() === "");
}

builder.addEventListener("change", (event) => {
  const slot = event.target.name;
  document.querySelector(`[data-chosen-in="${slot}"]`).textContent = event.target.dataset.name;
  history.replaceState(null, "", appDomain + "/main?" + chosenParts());
  askServer();
});

builder.addEventListener("submit", (event) => {
  event.preventDefault();
  window.location = appDomain + "/order?" + chosenParts();
});

surprise.hidden = false;
surprise.addEventListener("click", () => {
  const builds = JSON.parse(surprise.dataset.builds);
  const build = builds[Math.floor(Math.random() * builds.length)];
  window.location = appDomain + "/main?" + new URLSearchParams(build);
});

document.addEventListener("prices", (event) => {
  const chosen = new Set(chosenParts().values());
  if (event.detail.some((change) => chosen.has(change.id))) askServer();
});
