import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// `npm run dev` speaks to a running platform: MERLIN_URL=http://127.0.0.1:8080 npm run dev
const api = process.env.MERLIN_URL ?? 'http://127.0.0.1:8080';
const toApi = { target: api, changeOrigin: true, ws: true, headers: { origin: api } };

// Everything is bundled: the page asks no other host for anything.
export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    outDir: '../../merlin/static/console',
    emptyOutDir: true,
    manifest: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: { host: '127.0.0.1', proxy: { '/graphql': toApi, '/session': toApi, '/graphiql': toApi } },
  test: {
    environment: 'jsdom',
    setupFiles: ['src/test-setup.ts'],
    css: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
  },
});
