import node from '@astrojs/node';
import { defineConfig } from 'astro/config';

export default defineConfig({
  output: 'server',
  adapter: node({ mode: 'standalone' }),
  // In development the host names are the server's business, which lets no others in.
  server: { allowedHosts: true },
});
