"""The service's database: tables, engines, and one module of SQL for each group of tables."""
