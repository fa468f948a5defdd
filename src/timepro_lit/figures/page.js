"use strict";
for (const card of document.querySelectorAll(".long")) {
  const strip = card.querySelector(".strip");
  const overview = card.querySelector(".overview");
  const show = () => {
    overview.style.setProperty("--from", strip.scrollLeft / strip.scrollWidth);
    overview.style.setProperty("--seen", strip.clientWidth / strip.scrollWidth);
  };
  strip.addEventListener("scroll", show);
  addEventListener("resize", show);
  show();
  for (const track of overview.querySelectorAll(".track")) {
    track.addEventListener("click", (event) => {
      const box = track.getBoundingClientRect();
      const place = ((event.clientX - box.left) / box.width) * strip.scrollWidth;
      strip.scrollLeft = place - strip.clientWidth / 2;
    });
  }
}
const cards = [...document.querySelectorAll(".clip")];
for (const card of cards) {
  const audio = card.querySelector("audio");
  if (!audio) continue;
  const duration = Number(card.dataset.duration);
  const show = () => card.style.setProperty("--now", Math.min(1, audio.currentTime / duration));
  const follow = () => {
    show();
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    card.classList.add("started");
    follow();
  });
  audio.addEventListener("seeking", show);
  const seek = (seconds) => {
    card.classList.add("started");
    audio.currentTime = Math.max(0, Math.min(duration, seconds));
  };
  const moves = { ArrowLeft: -0.1, ArrowRight: 0.1, PageDown: -1, PageUp: 1, Home: -Infinity, End: Infinity };
  card.querySelector(".tracks").addEventListener("keydown", (event) => {
    if (event.key in moves) seek(audio.currentTime + moves[event.key]);
    else if (event.key === " ") audio.paused ? audio.play() : audio.pause();
    else return;
    event.preventDefault();
  });
  for (const track of card.querySelectorAll(".track")) {
    track.addEventListener("click", (event) => {
      const box = track.getBoundingClientRect();
      seek((duration * (event.clientX - box.left)) / box.width);
    });
  }
}
