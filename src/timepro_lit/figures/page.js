"use strict";
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
  for (const track of card.querySelectorAll(".track")) {
    track.addEventListener("click", (event) => {
      const box = track.getBoundingClientRect();
      card.classList.add("started");
      audio.currentTime = (duration * (event.clientX - box.left)) / box.width;
    });
  }
}
