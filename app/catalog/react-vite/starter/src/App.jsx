import { useState } from 'react';

import { sentence } from './sentence.js';

export function App() {
  const [clicks, setClicks] = useState(0);
  return (
    <main>
      <h1>{{project}}</h1>
      <button onClick={() => setClicks(clicks + 1)}>{sentence(clicks)}</button>
    </main>
  );
}
