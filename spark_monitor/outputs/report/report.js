(function () {
  "use strict";
  var form = document.getElementById("filters");
  var find = document.getElementById("find");
  var version = document.getElementById("version");
  var windows = document.getElementById("windows");
  var failing = document.getElementById("failing");
  var all = Array.prototype.slice;
  function every(query) { return all.call(document.querySelectorAll(query)); }
  form.hidden = false;
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  every("table").forEach(function (table) {
    var heads = all.call(table.querySelectorAll("thead th")).map(function (one) { return one.textContent; });
    if (heads.length < 3) { return; }
    table.classList.add("stack");
    all.call(table.querySelectorAll("tbody tr")).forEach(function (row) {
      all.call(row.children).forEach(function (cell, place) {
        if (!cell.hasAttribute("data-head")) { cell.setAttribute("data-head", heads[place] || ""); }
      });
    });
  });
  if (window.matchMedia("(max-width: 620px)").matches) {
    every("details.roomy").forEach(function (one) { one.open = false; });
  }
  window.addEventListener("beforeprint", function () {
    every("details.roomy").forEach(function (one) { one.open = true; });
  });
  var seen = {};
  every("[data-version]").forEach(function (one) {
    var name = one.getAttribute("data-version");
    if (name !== "-" && !Object.prototype.hasOwnProperty.call(seen, name)) {
      seen[name] = true;
      var option = document.createElement("option");
      option.value = name;
      option.textContent = name;
      version.appendChild(option);
    }
  });
  var strips = every("svg.heat, svg.strip").map(function (drawing) {
    return { drawing: drawing, box: drawing.getAttribute("viewBox"), cells: all.call(drawing.querySelectorAll("rect")) };
  });
  function crop(strip, count) {
    var box = strip.box.split(" ").map(Number);
    var cells = strip.cells;
    if (count > 0 && cells.length > count) {
      var left = Number(cells[cells.length - count].getAttribute("x"));
      box[2] = box[0] + box[2] - left;
      box[0] = left;
    }
    strip.drawing.setAttribute("viewBox", box.join(" "));
  }
  function apply() {
    var text = find.value.trim().toLowerCase();
    every("[data-find], [data-version]").forEach(function (one) {
      var words = (one.getAttribute("data-find") || "").toLowerCase();
      var named = one.getAttribute("data-version") || "";
      var hidden = version.value !== "" && named !== "" && named !== "-" && named !== version.value;
      if (text && one.hasAttribute("data-find")) {
        hidden = hidden || (words + " " + named.toLowerCase()).indexOf(text) < 0;
      }
      if (failing.checked && one.getAttribute("data-broke") === "0") { hidden = true; }
      one.hidden = hidden;
    });
    strips.forEach(function (strip) { crop(strip, Number(windows.value)); });
    every(".over .from").forEach(function (one) { one.style.visibility = Number(windows.value) > 0 ? "hidden" : ""; });
  }
  [find, version, windows, failing].forEach(function (one) {
    one.addEventListener("input", apply);
    one.addEventListener("change", apply);
  });
})();
