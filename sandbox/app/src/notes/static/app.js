// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";

const byId = (id) => document.getElementById(id);

function say(id, text, bad) {
  byId(id).textContent = text;
  byId(id).className = bad ? "bad" : "";
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws`);
  socket.onopen = () => say("status", "connected", false);
  socket.onclose = (event) => {
    say("status", `disconnected (${event.code}), connecting again …`, true);
    setTimeout(connect, 1000);
  };
}

async function share(event) {
  event.preventDefault();
  const note = { title: byId("title").value, content: byId("content").value };
  try {
    const response = await fetch("/api/notes/share", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(note),
    });
    const answer = await response.json();
    if (response.ok) {
      say("result", `saved: ${location.origin}${answer.url}`, false);
    } else {
      say("result", `not saved: ${answer.error}`, true);
    }
  } catch (error) {
    say("result", `not saved: ${error.message}`, true);
  }
}

async function load() {
  const match = location.pathname.match(/^\/share\/([^/]+)$/);
  if (match === null) return;
  const response = await fetch(`/api/notes/${match[1]}`);
  const note = await response.json();
  if (response.ok) {
    byId("title").value = note.title;
    byId("content").value = note.content;
  } else {
    say("result", note.error, true);
  }
}

byId("@FORM@").addEventListener("submit", share);
connect();
load().catch((error) => say("result", error.message, true));
