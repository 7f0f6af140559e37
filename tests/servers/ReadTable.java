// Reads a table with Iceberg's Java library, through its REST catalog: one line of JSON for a row.
//
//   java -cp 'classes:lib/*' ReadTable http://localhost:8181 otel logs [filter column] [value]

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.rest.RESTCatalog;
import org.apache.iceberg.types.Types;
import org.apache.iceberg.util.JsonUtil;

class ReadTable {
  public static void main(String[] arguments) throws Exception {
    try (RESTCatalog catalog = new RESTCatalog()) {
      catalog.initialize("reader", Map.of("uri", arguments[0]));
      Table table = catalog.loadTable(TableIdentifier.of(arguments[1], arguments[2]));
      IcebergGenerics.ScanBuilder scan = IcebergGenerics.read(table);
      if (arguments.length > 4) {
        scan = scan.where(Expressions.equal(arguments[3], arguments[4]));
      }
      try (CloseableIterable<Record> rows = scan.build()) {
        for (Record row : rows) {
          System.out.println(line(table, row));
        }
      }
    }
  }

  private static String line(Table table, Record row) throws Exception {
    List<String> pairs = new ArrayList<>();
    for (Types.NestedField field : table.schema().columns()) {
      Object value = row.getField(field.name());
      Object shown = value == null || value instanceof Number ? value : value.toString();
      pairs.add(text(field.name()) + ":" + text(shown));
    }
    return "{" + String.join(",", pairs) + "}";
  }

  private static String text(Object value) throws Exception {
    return JsonUtil.mapper().writeValueAsString(value);
  }
}
