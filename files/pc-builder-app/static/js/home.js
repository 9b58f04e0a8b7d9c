// The ticker of prices that moved just now: the newest is added first, the oldest is removed.
"use strict";

document.addEventListener("prices", (event) => {
  const ticker = document.getElementById("ticker");
  const length = ticker.children.length;
  for (const change of event.detail.filter((item) => item.move !== 0 && components.has(item.id)).slice(0, 2)) {
    const old = ticker.querySelector(`[data-price-of="${change.id}"]`);
    const item = old ? old.closest("li") : document.createElement("li");
    if (!old) {
      const name = document.createElement("span");
      const price = document.createElement("span");
      name.textContent = components.get(change.id).name;
      price.className = "price " + (change.move > 0 ? "up" : "down");
      price.dataset.priceOf = change.id;
      price.textContent = euros(change.price);
      item.append(name, " ", price);
    }
    ticker.prepend(item);
  }
  while (ticker.children.length > length) ticker.lastElementChild.remove();
});
