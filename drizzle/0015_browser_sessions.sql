CREATE TABLE "panel_links" (
	"hash" text PRIMARY KEY NOT NULL,
	"identity" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "web_sessions" (
	"hash" text PRIMARY KEY NOT NULL,
	"identity" text NOT NULL,
	"api_key_id" uuid,
	"operator_key" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "web_sessions" ADD CONSTRAINT "web_sessions_api_key_id_api_keys_id_fk" FOREIGN KEY ("api_key_id") REFERENCES "public"."api_keys"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "panel_links_of_identity" ON "panel_links" USING btree ("identity");--> statement-breakpoint
CREATE INDEX "panel_links_by_expiry" ON "panel_links" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "web_sessions_of_identity" ON "web_sessions" USING btree ("identity");--> statement-breakpoint
CREATE INDEX "web_sessions_by_expiry" ON "web_sessions" USING btree ("expires_at");