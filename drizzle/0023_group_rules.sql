CREATE TABLE "pool_draws" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "pool_draws_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"chat" text NOT NULL,
	"day" date NOT NULL,
	"member" text NOT NULL,
	"credits" integer NOT NULL,
	"cap" integer NOT NULL,
	CONSTRAINT "pool_draws_within_cap" CHECK ("pool_draws"."credits" between 0 and "pool_draws"."cap")
);
--> statement-breakpoint
CREATE TABLE "role_claims" (
	"chat" text NOT NULL,
	"user_id" uuid NOT NULL,
	"day" date NOT NULL,
	"member" text NOT NULL,
	"credits" integer NOT NULL,
	CONSTRAINT "role_claims_chat_day_member_pk" PRIMARY KEY("chat","day","member")
);
--> statement-breakpoint
CREATE TABLE "chat_rules" (
	"chat" text PRIMARY KEY NOT NULL,
	"channels" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"models" jsonb,
	"roles" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"nsfw" boolean DEFAULT false NOT NULL,
	"pool_id" uuid,
	"pool_cap" integer,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "chat_rules_pool_id_unique" UNIQUE("pool_id")
);
--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "draw_id" bigint;--> statement-breakpoint
ALTER TABLE "images" ADD COLUMN "flagged" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "role_claims" ADD CONSTRAINT "role_claims_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "chat_rules" ADD CONSTRAINT "chat_rules_pool_id_users_id_fk" FOREIGN KEY ("pool_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "pool_draws_of_member" ON "pool_draws" USING btree ("chat","day","member");--> statement-breakpoint
CREATE INDEX "role_claims_of_user" ON "role_claims" USING btree ("user_id","day");--> statement-breakpoint
CREATE INDEX "role_claims_of_member" ON "role_claims" USING btree ("member","day");--> statement-breakpoint
CREATE INDEX "role_claims_by_age" ON "role_claims" USING btree ("day");--> statement-breakpoint
ALTER TABLE "generations" ADD CONSTRAINT "generations_draw_id_pool_draws_id_fk" FOREIGN KEY ("draw_id") REFERENCES "public"."pool_draws"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint

-- What a request gives back goes to the pool, its payer, by the entry itself, and to what its member may draw that day. Always after the
-- accounts, so that two statements never wait for each other.
CREATE FUNCTION ledger_return_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE pool_draws SET credits = pool_draws.credits - NEW.amount
  FROM generations WHERE generations.id = NEW.generation_id AND pool_draws.id = generations.draw_id;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER ledger_return_draw AFTER INSERT ON ledger
  FOR EACH ROW WHEN (NEW.kind IN ('capture', 'release') AND NEW.amount > 0) EXECUTE FUNCTION ledger_return_draw();
