// The order form: the total follows pieces, delivery and live prices.
"use strict";

const total = document.getElementById("order-total");

function showTotal() {
  const form = document.querySelector("form");
  if (components.size === 0) return;
  const delivery = form.querySelector("[name=delivery]:checked");
  const pieces = Math.max(1, parseInt(form.elements.quantity.value, 10) || 1);
  total.textContent = euros(sumOf(total.dataset.parts) * pieces + (delivery ? Number(delivery.dataset.price) : 0));
}

if (total) {
  document.querySelector("form").addEventListener("input", showTotal);
  document.addEventListener("prices", showTotal);
}
