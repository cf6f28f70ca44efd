import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Everything is bundled: the page asks no other host for anything.
export default defineConfig({
  base: '/graphiql/',
  plugins: [react()],
  worker: { format: 'es' },
  build: { outDir: '../../merlin/static/graphiql', emptyOutDir: true, chunkSizeWarningLimit: 8000 },
});
