// Asks Iceberg's Java library what deletes by filter would delete, through its REST catalog.
//
//   java -cp 'classes:lib/*' DeleteRows http://localhost:8181 otel metrics_gauge < filters
//
// A filter is a line: column, operator and number, with tabs between. Prints for each the number of
// rows a delete takes, 0 where it refuses. Nothing is committed.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Map;
import org.apache.iceberg.DeleteFiles;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.exceptions.ValidationException;
import org.apache.iceberg.expressions.Expression;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.rest.RESTCatalog;

class DeleteRows {
  public static void main(String[] arguments) throws Exception {
    try (RESTCatalog catalog = new RESTCatalog()) {
      catalog.initialize("writer", Map.of("uri", arguments[0]));
      Table table = catalog.loadTable(TableIdentifier.of(arguments[1], arguments[2]));
      BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] parts = line.split("\t");
        System.out.println(deleted(table, filter(parts[0], parts[1], Double.valueOf(parts[2]))));
      }
    }
  }

  private static Expression filter(String column, String operator, Double number) {
    switch (operator) {
      case ">":
        return Expressions.greaterThan(column, number);
      case "<":
        return Expressions.lessThan(column, number);
      case "=":
        return Expressions.equal(column, number);
      case ">=":
        return Expressions.greaterThanOrEqual(column, number);
      case "!=":
        return Expressions.notEqual(column, number);
      default:
        throw new IllegalArgumentException("no operator " + operator);
    }
  }

  private static long deleted(Table table, Expression filter) {
    DeleteFiles delete = table.newDelete().deleteFromRowFilter(filter);
    try {
      String rows = delete.apply().summary().getOrDefault("deleted-records", "0");
      return Long.parseLong(rows);
    } catch (ValidationException refused) {
      return 0;
    }
  }
}
