// One axis of time: panels drawn by uPlot over the same horizontal scale, with a shared cursor. Dragging zooms or chooses a period.
(() => {
  "use strict";
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const TALL = 190, LOW = 96, PHONE = 640;
  const IDLE = 5 * 60 * 1000;

  const zoned = (zone) => (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone);

  const number = (value, share) => {
    if (value === null || value === undefined) return "–";
    if (share) return `${(100 * value).toFixed(1)}%`;
    return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : Number(value.toPrecision(4)).toString();
  };

  const colours = (element) => {
    const style = getComputedStyle(element);
    const of = (name) => style.getPropertyValue(`--${name}`).trim();
    return Object.fromEntries(
      ["ink", "soft", "faint", "grid", "band", "paper", "reference", "current", "bad", "unsure", "fall-1", "rise-1"]
        .map((name) => [name, of(name)]));
  };

  class Axis {
    constructor(box) {
      this.box = box;
      this.form = document.getElementById(box.dataset.form);
      this.plots = [];
      this.readout = box.querySelector("[data-readout]");
      this.holder = box.querySelector("[data-panels]");
      this.palette = colours(box);
      this.load();
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
        this.palette = colours(box);
        this.draw();
      });
      let width = 0;
      new ResizeObserver(() => {
        const now = this.holder.clientWidth;
        if (this.data && now && now !== width) { width = now; this.draw(); }
      }).observe(this.holder);
      if (this.form) this.form.addEventListener("input", () => this.plots.forEach((plot) => plot.redraw(false)));
      addEventListener("popstate", () => this.restore());
      // Somebody who comes back after a while sees what is there now.
      document.addEventListener("visibilitychange", () => {
        if (!document.hidden && this.data && Date.now() - this.loaded > IDLE) this.load();
      });
    }

    async load() {
      try {
        const answer = await fetch(this.box.dataset.src, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
        this.data = await answer.json();
      } catch (error) {
        this.holder.textContent = `The chart could not be read (${error.message}). Reload the page to try again; its numbers are in the table below.`;
        return;
      }
      this.loaded = Date.now();
      this.view = this.wanted();
      this.draw();
      this.box.dataset.drawn = "true";
    }

    wanted() {
      const asked = new URLSearchParams(location.search);
      const [first, last] = this.data.extent;
      const at = (name, otherwise) => {
        const value = asked.get(name);
        if (!value) return otherwise;
        const seconds = this.data.dated ? Date.parse(value.length <= 10 ? `${value}T00:00:00Z` : `${value}Z`) / 1000 : Number(value);
        return Number.isFinite(seconds) ? seconds : otherwise;
      };
      const view = [at("from", first), at("to", last - this.data.step) + this.data.step];
      return view[1] > view[0] && view[0] < last && view[1] > first ? view : [first, last];
    }

    restore() { if (this.data) { this.view = this.wanted(); this.rescale(); } }

    written(seconds) {
      if (!this.data.dated) return String(Math.round(seconds));
      return new Date(seconds * 1000).toISOString().slice(0, this.data.step < 86400 ? 16 : 10);
    }

    words(seconds) {
      if (!this.data.dated) return `row ${Math.round(seconds).toLocaleString("en")}`;
      const at = this.date(seconds);
      const day = `${["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][at.getDay()]} ${at.getDate()} ${MONTHS[at.getMonth()]} ${at.getFullYear()}`;
      return this.data.step < 86400 ? `${day} ${String(at.getHours()).padStart(2, "0")}:00` : day;
    }

    draw() {
      this.plots.forEach((plot) => plot.destroy());
      this.holder.replaceChildren();
      this.date = zoned(this.data.step < 86400 ? this.box.dataset.zone : "UTC");
      const width = this.holder.clientWidth;
      this.phone = width < PHONE;
      this.plots = this.data.panels.map((panel, place) => this.plot(panel, place, width));
      this.rescale();
    }

    plot(panel, place, width) {
      const figure = document.createElement("div");
      figure.className = "panel";
      const title = document.createElement("p");
      title.className = "panel-title";
      title.textContent = panel.title;
      panel.lines.forEach((line) => {
        if (panel.lines.length < 2) return;
        const key = document.createElement("span");
        key.className = `key key-${line.dashed ? "dashed" : "solid"}`;
        key.textContent = line.name;
        title.append(" ", key);
      });
      figure.append(title);
      this.holder.append(figure);
      const last = place === this.data.panels.length - 1;
      const p = this.palette;
      const series = [{}];
      const data = [this.data.x];
      const bands = [];
      if (panel.low) {
        series.push({ stroke: "transparent", width: 0, points: { show: false } }, { stroke: "transparent", width: 0, points: { show: false } },
          { stroke: p.faint, width: 1, dash: [2, 3], points: { show: false } });
        data.push(panel.high, panel.low, panel.expected);
        bands.push({ series: [1, 2], fill: p.band });
      }
      panel.lines.forEach((line) => {
        const colour = line.dashed ? p.current : p.reference;
        series.push({
          stroke: colour, width: 1.7, dash: line.dashed ? [6, 4] : undefined, fill: panel.bars ? colour : undefined,
          paths: panel.bars ? uPlot.paths.bars({ size: [0.85, 60], gap: 0 }) : panel.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
          points: { show: panel.bars ? false : undefined, size: 5, fill: colour, space: 10 }, spanGaps: false,
        });
        data.push(line.values);
      });
      const sharing = (values) => values.map((value) => panel.share ? `${Number((100 * value).toPrecision(4))}%` : number(value, false));
      const options = {
        width, height: (panel.tall ? TALL : LOW) + (last ? 34 : 0), series, bands, legend: { show: false },
        tzDate: this.data.dated ? this.date : undefined,
        padding: [8, 22, last ? 0 : 8, 0],
        scales: {
          x: { time: this.data.dated, auto: false },
          y: { range: (_, low, high) => this.range(panel, low, high) },
        },
        axes: [
          { stroke: p.soft, grid: { stroke: p.grid, width: 1 }, ticks: { show: false }, size: last ? 34 : 0, font: "12px system-ui, sans-serif",
            values: (_, splits, __, ___, apart) => splits.map((at, i) => last ? this.tick(at, splits[i - 1], apart) : "") },
          { stroke: p.soft, grid: { stroke: p.grid, width: 1 }, ticks: { show: false }, size: this.phone ? 44 : 58, font: "12px system-ui, sans-serif",
            space: panel.tall ? 34 : 30, values: (_, splits) => sharing(splits) },
        ],
        cursor: {
          sync: { key: this.box.id, scales: ["x", null] }, drag: { x: true, y: false, setScale: false, dist: 4 },
          y: false, points: { size: 7 }, bind: { dblclick: () => () => { this.show(...this.data.extent); return null; } },
        },
        hooks: {
          drawClear: [(plot) => this.shade(plot)],
          draw: [(plot) => this.marks(plot, place === 0)],
          setCursor: [(plot) => this.say(plot, panel)],
          setSelect: [(plot) => this.select(plot)],
        },
      };
      return new uPlot(options, data, figure);
    }

    tick(at, before, apart) {
      if (!this.data.dated) return Math.round(at).toLocaleString("en");
      const date = this.date(at);
      const first = before === undefined || this.date(before).getFullYear() !== date.getFullYear();
      const year = first ? `\n${date.getFullYear()}` : "";
      if (apart >= 27 * 86400) return `${MONTHS[date.getMonth()]}${year}`;
      if (apart >= 86400) return `${date.getDate()} ${MONTHS[date.getMonth()]}${year}`;
      const hour = `${String(date.getHours()).padStart(2, "0")}:00`;
      return before === undefined || this.date(before).getDate() !== date.getDate() ? `${hour}\n${date.getDate()} ${MONTHS[date.getMonth()]}` : hour;
    }

    range(panel, low, high) {
      if (low === null || high === null) return panel.share ? [0, 1] : [0, 1];
      if (panel.bars) return [0, panel.share ? Math.max(high, 0.01) : high || 1];
      const room = (high - low || Math.abs(high) || 1) * 0.12;
      return [panel.share ? Math.max(0, low - room) : low - room, panel.share ? Math.min(1, high + room) : high + room];
    }

    rescale() { this.plots.forEach((plot) => plot.setScale("x", { min: this.view[0], max: this.view[1] })); }

    pixels(plot, first, until) {
      const [left, right] = [plot.bbox.left, plot.bbox.left + plot.bbox.width];
      const clip = (x) => Math.min(right, Math.max(left, x));
      return [clip(plot.valToPos(first, "x", true)), clip(plot.valToPos(until, "x", true))];
    }

    chosen(which) {
      if (!this.form) return null;
      const [first, last] = [this.form.elements[`${which}_from`], this.form.elements[`${which}_to`]].map((field) => field && field.value);
      if (!first || !last) return null;
      const at = (text) => this.data.dated ? Date.parse(text.length <= 10 ? `${text}T00:00:00Z` : `${text}Z`) / 1000 : Number(text);
      return [at(first), at(last) + this.data.step];
    }

    shade(plot) {
      const { ctx } = plot;
      const box = plot.bbox;
      ctx.save();
      for (const span of this.data.spans) {
        const [from, to] = this.pixels(plot, span.from, span.to);
        if (to <= from) continue;
        ctx.fillStyle = span.alarm ? this.palette["fall-1"] : this.palette["rise-1"];
        ctx.globalAlpha = 0.75;
        ctx.fillRect(from, box.top, Math.max(to - from, 2), box.height);
      }
      ctx.globalAlpha = 1;
      for (const which of ["reference", "current"]) {
        const period = this.chosen(which);
        if (!period) continue;
        const [from, to] = this.pixels(plot, ...period);
        if (to <= from) continue;
        ctx.fillStyle = this.palette[which];
        ctx.fillRect(from, box.top - 4 * devicePixelRatio, to - from, 4 * devicePixelRatio);
        ctx.globalAlpha = 0.06;
        ctx.fillRect(from, box.top, to - from, box.height);
        ctx.globalAlpha = 1;
      }
      ctx.restore();
    }

    marks(plot, named) {
      const { ctx } = plot;
      const box = plot.bbox;
      ctx.save();
      ctx.strokeStyle = this.palette.ink;
      ctx.fillStyle = this.palette.ink;
      ctx.lineWidth = devicePixelRatio;
      ctx.textAlign = "left";
      ctx.textBaseline = "alphabetic";
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      let free = -Infinity, row = 0;
      for (const event of this.data.events) {
        if (event.at < this.view[0] || event.at > this.view[1]) continue;
        const x = Math.round(plot.valToPos(event.at, "x", true));
        ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.beginPath();
        ctx.moveTo(x, box.top);
        ctx.lineTo(x, box.top + box.height);
        ctx.stroke();
        if (!named || this.phone) continue;
        const text = event.text.length > 32 ? `${event.text.slice(0, 31)}…` : event.text;
        const wide = ctx.measureText(text).width + 8 * devicePixelRatio;
        const left = x + wide > box.left + box.width ? x - wide : x + 4 * devicePixelRatio;
        row = left < free ? row + 1 : 0;
        free = Math.max(free, left + wide);
        ctx.fillText(text, left, box.top + (12 + 13 * (row % 3)) * devicePixelRatio);
      }
      ctx.restore();
    }

    say(plot, panel) {
      const place = plot.cursor.idx;
      if (place === null || place === undefined || plot.cursor.left < 0) { this.readout.textContent = ""; return; }
      if (plot !== this.plots[0] && !plot.cursor.event) return;
      const parts = this.data.panels.flatMap((one) => one.lines.map((line) => {
        const value = line.values[place];
        if (value === null || value === undefined) return null;
        const name = one.lines.length > 1 ? `${one.short} ${line.name}` : one.short;
        const usual = one.low && one.low[place] !== null && one.low[place] !== undefined
          ? ` (usual ${number(one.low[place], one.share)} to ${number(one.high[place], one.share)})` : "";
        return `${name} ${number(value, one.share)}${usual}`;
      })).filter(Boolean);
      this.readout.textContent = `${this.words(this.data.x[place])}: ${parts.slice(0, this.phone ? 2 : 4).join(" · ")}`;
    }

    select(plot) {
      const { left, width } = plot.select;
      if (width < 3 || !plot.cursor.event && plot !== this.active) return;
      const step = this.data.step;
      const snap = (x, round) => round((plot.posToVal(x, "x") - this.data.origin) / step) * step + this.data.origin;
      const first = snap(left, Math.floor), until = Math.max(snap(left + width, Math.ceil), first + step);
      this.plots.forEach((one) => one.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false));
      const brush = this.form && this.form.querySelector("input[name=brush]:checked");
      if (!brush || brush.value === "zoom") this.show(first, until);
      else this.choose(brush.value, first, until);
    }

    show(first, until) {
      this.view = [first, until];
      this.rescale();
      const address = new URL(location.href);
      const whole = first === this.data.extent[0] && until === this.data.extent[1];
      for (const [name, value] of [["from", first], ["to", until - this.data.step]]) {
        if (whole) address.searchParams.delete(name);
        else address.searchParams.set(name, this.written(value));
      }
      history.pushState(history.state, "", address);
    }

    choose(which, first, until) {
      const set = (name, value) => { this.form.elements[name].value = value; };
      set(`${which}_from`, this.written(first));
      set(`${which}_to`, this.written(until - this.data.step));
      const address = new URL(location.href);
      for (const name of [`${which}_from`, `${which}_to`]) address.searchParams.set(name, this.form.elements[name].value);
      history.replaceState(history.state, "", address);
      const other = which === "reference" && !this.form.elements.current_from.value ? "current" : null;
      if (other) this.form.querySelector(`input[name=brush][value=${other}]`).checked = true;
      this.form.dispatchEvent(new Event("input", { bubbles: true }));
      const said = document.getElementById("chosen");
      if (said) said.textContent = `${which === "reference" ? "Sound" : "Doubtful"} period: ${this.words(first)} to ${this.words(until - this.data.step)}.`;
    }
  }

  const start = (root) => root.querySelectorAll("[data-axis]:not([data-started])").forEach((box) => {
    box.dataset.started = "true";
    new IntersectionObserver((entries, seen) => {
      if (entries.some((entry) => entry.isIntersecting)) { seen.disconnect(); new Axis(box); }
    }, { rootMargin: "200px" }).observe(box);
  });
  document.addEventListener("DOMContentLoaded", () => start(document));
  document.addEventListener("htmx:after:swap", () => start(document));
})();
