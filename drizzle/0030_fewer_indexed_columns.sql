-- An update that changes no column of an index and finds room in its page touches no index (HOT). `state`, `wake_at` and `deadline_at` are
-- in no index any more; until a request ends, the only columns of its row that change are in none. The new index is made first, so that
-- the table can be read meanwhile. It reads the table once; the other statements take no time, whatever the size of the table.
CREATE INDEX "generations_unfinished" ON "generations" USING btree ("provider","priority","id") WHERE ended_at is null;--> statement-breakpoint
DROP INDEX "generations_to_wake";--> statement-breakpoint
DROP INDEX "generations_overdue";--> statement-breakpoint
DROP INDEX "generations_queued";--> statement-breakpoint
-- Room for new versions of a row in the pages that are written from now on.
ALTER TABLE "generations" SET (fillfactor = 85);--> statement-breakpoint
-- Vacuum and analyze after changes to one in fifty rows, not one in five: of millions of rows only the newest change.
ALTER TABLE "generations" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02,
  autovacuum_analyze_scale_factor = 0.01);--> statement-breakpoint
ALTER TABLE "ledger" SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.01);--> statement-breakpoint
ALTER TABLE "images" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02,
  autovacuum_analyze_scale_factor = 0.01);--> statement-breakpoint
ALTER TABLE "inbox" SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
