import { useState } from "react";

const tides = [
  { time: "03:12", height: 0.6 },
  { time: "09:24", height: 3.9 },
  { time: "15:37", height: 0.8 },
  { time: "21:49", height: 3.7 },
];

export function App() {
  const [highOnly, setHighOnly] = useState(false);
  const shown = tides.filter((tide) => !highOnly || tide.height > 2);
  return (
    <main>
      <h1>Tide table</h1>
      <label>
        <input type="checkbox" checked={highOnly} onChange={(event) => setHighOnly(event.target.checked)} />
        high water only
      </label>
      <ul>
        {shown.map((tide) => (
          <li key={tide.time}>
            {tide.time}: {tide.height.toFixed(1)} m
          </li>
        ))}
      </ul>
    </main>
  );
}
