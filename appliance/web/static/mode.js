// Red light before the first picture is painted: a white flash costs half an hour of dark adaptation.
"use strict";
try {
  if (localStorage.getItem("nightjar-mode") === "red") document.documentElement.dataset.mode = "red";
} catch (error) {
  // Storage may be forbidden; then the mode lasts as long as the page.
}
